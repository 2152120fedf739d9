"""What a strategy may say, and what is made of it once."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.signals import SignalResult, SignalType
from tests.unit.fakes.values import buy, changed


@pytest.mark.parametrize(
    ("given_type", "signal_type"),
    [
        ("BUY", SignalType.BUY),
        ("sell", SignalType.SELL),
        ("Hold", SignalType.HOLD),
        (SignalType.SELL, SignalType.SELL),
    ],
)
def test_strings_of_any_case_stand_for_signal_types(given_type, signal_type):
    assert buy(signal_type=given_type).signal_type is signal_type


@pytest.mark.parametrize("given_type", ["SHORT", "", None, 1, " BUY"])
def test_a_signal_of_no_known_type_cannot_be_made(given_type):
    with pytest.raises(ValueError, match="not a valid SignalType"):
        buy(signal_type=given_type)


@pytest.mark.parametrize(
    ("said", "kept"), [(0, 0), (0.7, 0.7), (1, 1), (1.5, 0.015), (70, 0.7), (100, 1.0)]
)
def test_a_confidence_above_one_is_a_percentage(said, kept):
    assert buy(confidence=said).confidence == kept


@given(st.floats(min_value=0, max_value=100))
def test_a_confidence_is_normalised_once(said):
    once = buy(confidence=said)
    assert 0 <= once.confidence <= 1
    assert changed(once, quantity=5).confidence == once.confidence


@pytest.mark.parametrize("said", [-0.1, 100.1, float("inf"), -float("inf")])
def test_a_confidence_out_of_range_stays_for_the_validator_to_name(said):
    assert buy(confidence=said).confidence == said


def test_a_confidence_that_is_no_number_stays_too():
    assert math.isnan(buy(confidence=float("nan")).confidence)


def test_reasoning_may_be_left_out():
    made = SignalResult(signal_type="BUY", confidence=1, quantity=1, price=Decimal(1))  # type: ignore[arg-type]
    assert made.reasoning is None
