"""Ids against golden vectors and against a computation of their own."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.ids import SignalIds, client_order_id, execution_id, rejection_id
from algo_panda.domain.trading import Stage

STRATEGY = "00000000-0000-0000-0000-000000000001"
TOPIC = "yW7cT1vNQ6mTe0tV0k9QaA"

# Records on the topics carry these ids, and redelivery and replay must repeat them: a change
# here is a change of every id that was ever published.
SIGNAL_IDS = {
    (STRATEGY, 256265, TOPIC, 0, 0): "b98234ab6baae403295131ba4afa1992",
    (STRATEGY, 256265, TOPIC, 3, 41): "e12242c4914b9c5a808057988dfa6921",
    (STRATEGY, 256265, "another-topic-id", 3, 41): "92e30ae7f33ba0ce2b8f3b4cd61b0088",
}
CLIENT_ORDER_IDS = {
    ("b98234ab6baae403295131ba4afa1992", "paper"): "LRZZJIEABNWWFXGE4WYT",
    ("b98234ab6baae403295131ba4afa1992", "AB1234"): "X5PO6WCM3RXYOFQHMVJE",
}
REJECTION_IDS = {
    (Stage.RUNNER, "b98234ab6baae403295131ba4afa1992", None): "88459181703398d8b4879d7cdbe9336e",
    (Stage.RISK, "b98234ab6baae403295131ba4afa1992", "paper"): "01d92f8b93d99141964755dd90591d75",
}

texts = st.text(st.characters(codec="utf-8"), max_size=40)
offsets = st.integers(min_value=0, max_value=2**63 - 1)


def signal_id(strategy: str, token: int, topic: str, partition: int, offset: int) -> str:
    return SignalIds(strategy_id=strategy, topic_id=topic, partition=partition).at(token, offset)


def blake(text: str, size: int) -> "hashlib._Hash":
    return hashlib.blake2b(text.encode(), digest_size=size)


@pytest.mark.parametrize(("named", "expected"), SIGNAL_IDS.items())
def test_signal_ids_are_what_they_always_were(named, expected):
    assert signal_id(*named) == expected


@pytest.mark.parametrize(("named", "expected"), CLIENT_ORDER_IDS.items())
def test_client_order_ids_are_what_they_always_were(named, expected):
    assert client_order_id(*named) == expected


@pytest.mark.parametrize(("named", "expected"), REJECTION_IDS.items())
def test_rejection_ids_are_what_they_always_were(named, expected):
    assert rejection_id(*named) == expected


def test_execution_ids_are_what_they_always_were():
    assert execution_id("ABCDEFGHIJKLMNOPQRST", 1) == "ABCDEFGHIJKLMNOPQRST-1"
    assert execution_id("ABCDEFGHIJKLMNOPQRST", 12) == "ABCDEFGHIJKLMNOPQRST-12"


@given(texts, st.integers(), texts, st.integers(), offsets)
def test_a_signal_id_is_a_hash_of_what_it_names(strategy, token, topic, partition, offset):
    text = f"{strategy}|{token}|{topic}|{partition}|{offset}"
    assert signal_id(strategy, token, topic, partition, offset) == blake(text, 16).hexdigest()


@given(offsets, offsets)
def test_asking_for_one_signal_id_does_not_change_the_next(first, second):
    ids = SignalIds(strategy_id=STRATEGY, topic_id=TOPIC, partition=0)
    before = ids.at(1, second)
    ids.at(1, first)
    assert ids.at(1, second) == before
    assert (ids.at(1, first) == before) == (first == second)


@given(texts, texts)
def test_a_client_order_id_is_twenty_capitals_and_digits(signal, account):
    made = client_order_id(signal, account)
    assert re.fullmatch(r"[A-Z2-7]{20}", made)
    assert made == base64.b32encode(blake(f"{signal}|{account}", 15).digest()).decode()[:20]


@given(st.sampled_from(Stage), texts, st.none() | texts)
def test_a_rejection_id_is_a_hash_of_stage_cause_and_account(stage, cause, account):
    text = f"{stage.value}|{cause}|{account or ''}"
    assert rejection_id(stage, cause, account) == blake(text, 16).hexdigest()
