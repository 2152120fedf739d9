"""Hashes say whether two replays are the same, whatever they were cut into."""

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.replay.fingerprint import Fingerprint, RecordHash, TickHash, configuration_hash
from algo_panda.replay.ticks import TickColumns

TICKS = [MarketTick(1001, 10**15 + n, 100 + n, n, 5, 7) for n in range(12)]
CONFIG = StrategyConfig(id=UUID(int=1), strategy_type="rules_rsi", instruments=(1, 2))


def hashed(cuts: Sequence[int], ticks: Sequence[MarketTick] = TICKS, partition: int = 0) -> str:
    found = TickHash()
    edges = [0, *sorted(cuts), len(ticks)]
    for start, stop in pairwise(edges):
        if stop > start:
            found.add(TickColumns.of(partition, range(start, stop), ticks[start:stop]))
    return found.hexdigest()


@given(st.lists(st.integers(0, len(TICKS)), max_size=5))
def test_ticks_have_one_hash_in_whatever_pieces_they_come(cuts: list[int]) -> None:
    assert hashed(cuts) == hashed([])


@pytest.mark.parametrize("field", MarketTick._fields)
def test_any_other_field_is_another_hash(field: str) -> None:
    other = [*TICKS[:-1], TICKS[-1]._replace(**{field: getattr(TICKS[-1], field) + 1})]
    assert hashed([], other) != hashed([])


def test_another_partition_order_and_number_of_ticks_are_other_hashes() -> None:
    assert len({hashed([]), hashed([], partition=1), hashed([], TICKS[::-1]),
                hashed([], TICKS[:-1])}) == 4  # fmt: skip


def test_partitions_may_come_in_any_order() -> None:
    one, other = RecordHash(), RecordHash()
    one.add(0, [b"1"])
    one.add(1, [b"2"])
    other.add(1, [b"2"])
    other.add(0, [b"1"])
    assert one.hexdigest() == other.hexdigest()


values = st.lists(st.binary(max_size=3), max_size=4)


@given(values, values)
def test_records_hash_alike_only_if_they_are_alike(one: list[bytes], other: list[bytes]) -> None:
    hashes = RecordHash(), RecordHash()
    for found, records in zip(hashes, (one, other), strict=True):
        found.add(0, records)
    assert (hashes[0].hexdigest() == hashes[1].hexdigest()) == (one == other)


@given(values, st.integers(0, 4))
def test_records_hash_alike_in_whatever_pieces_they_come(records: list[bytes], cut: int) -> None:
    whole, cut_up = RecordHash(), RecordHash()
    whole.add(0, records)
    cut_up.add(0, records[:cut])
    cut_up.add(0, records[cut:])
    assert whole.hexdigest() == cut_up.hexdigest()


def test_the_configuration_is_strategies_in_their_order_and_settings() -> None:
    other = StrategyConfig(id=UUID(int=2), strategy_type="rules_rsi", instruments=(1, 2))
    found = [
        configuration_hash([CONFIG, other], {"a": 1}),
        configuration_hash([other, CONFIG], {"a": 1}),
        configuration_hash([CONFIG], {"a": 1}),
        configuration_hash([CONFIG, other], {"a": 2}),
    ]
    assert len(set(found)) == 4
    assert configuration_hash([CONFIG, other], {"a": 1}) == found[0]


def test_the_whole_hangs_on_every_part() -> None:
    parts = {"ticks": "1", "configuration": "2", "signals": "3", "fills": "4"}
    whole = {Fingerprint(**parts).whole}
    whole |= {Fingerprint(**{**parts, name: "5"}).whole for name in parts}
    assert len(whole) == 5
