"""The last ticks of a partition: those that a list of all ticks would give."""

from collections.abc import Sequence
from typing import overload

from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.streaming.operators.recent_ticks import RecentTicks, ticks_since
from tests.unit.fakes.values import tick


@given(
    tokens=st.lists(st.integers(1, 3), max_size=40),
    steps=st.lists(st.integers(1, 4), min_size=40, max_size=40),
    most=st.integers(1, 12),
)
def test_the_last_ticks_are_kept_and_found_by_instrument_and_offset(
    tokens: list[int], steps: list[int], most: int
) -> None:
    everything: list[tuple[int, MarketTick]] = []
    recent, offset = RecentTicks(5, most), 5
    for token, step in zip(tokens, steps, strict=False):
        added = tick(token=token)
        recent.add(offset, added)
        everything.append((offset, added))
        kept = everything[-most:]
        assert recent.first == (5 if len(everything) <= most else everything[-most - 1][0] + 1)
        assert recent.end == offset + 1
        assert recent.is_full == (len(everything) >= most)
        for one in (1, 2, 3):
            for first in range(4, offset + 2):
                expected = [(at, t) for at, t in kept if t.instrument_token == one and at >= first]
                assert list(recent.since(one, first)) == expected
        offset += step


class Watched(Sequence[tuple[int, MarketTick]]):
    """Ticks that count how often they are looked at."""

    def __init__(self, length: int) -> None:
        self.looks, self.length, self.one = 0, length, tick()

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> tuple[int, MarketTick]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, MarketTick]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> tuple[int, MarketTick] | list[tuple[int, MarketTick]]:
        assert isinstance(index, int)
        self.looks += 1
        return index, self.one


def test_the_first_tick_that_an_order_missed_is_found_without_a_look_at_all_of_them() -> None:
    ticks = Watched(1_000_000)
    assert next(ticks_since(ticks, 123_456)) == (123_456, ticks.one)
    assert ticks.looks <= 22  # 20 halvings of a million, and the tick
