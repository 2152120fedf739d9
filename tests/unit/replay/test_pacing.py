"""Ticks of a paced replay come when they are due, and all of them, in their order."""

from collections.abc import Sequence

import numpy as np
import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.replay.merging import Arrivals, Block
from algo_panda.replay.pacing import paced
from algo_panda.replay.ticks import TickColumns

SECOND = 1_000_000


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        assert 0 < seconds <= 0.1
        self.now += seconds


def block(*partitions: Sequence[int]) -> Block:
    return [
        Arrivals(
            TickColumns.of(number, range(len(times)), [MarketTick(1, 1, 1)] * len(times)),
            np.array(times, np.int64),
        )
        for number, times in enumerate(partitions)
        if times
    ]


def seen(given: Sequence[Block], speed: float, stopped: bool = False) -> list[tuple[float, int]]:
    """When each tick came, after the first; and when it was due, microseconds."""
    clock = FakeClock()
    found: list[tuple[float, int]] = []
    for part in paced(given, speed=speed, clock=clock, stopped=lambda: stopped):
        assert part
        found.extend(
            (clock.now - 100.0, time) for arrivals in part for time in arrivals.arrived_us.tolist()
        )
    return found


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_every_tick_comes_when_it_is_due(speed: float) -> None:
    times = [0, 10_000, SECOND, SECOND + 1, 3 * SECOND]
    later = [4 * SECOND, 9 * SECOND]
    found = seen([block(times, [SECOND // 2]), block(later)], speed)
    assert sorted(time for _, time in found) == sorted([*times, SECOND // 2, *later])
    for came, time in found:
        due = time / SECOND / speed
        assert due - 0.05 - 1e-6 <= came <= due + 1e-6


def test_partitions_stay_in_their_order_within_a_slice() -> None:
    parts = list(paced([block([0, 5], [3])], speed=1.0, clock=FakeClock(), stopped=lambda: False))
    assert [[a.columns.partition for a in part] for part in parts] == [[0, 1]]


def test_nothing_is_waited_for_once_it_is_stopped() -> None:
    assert {came for came, _ in seen([block([0, 60 * SECOND])], 1.0, stopped=True)} == {0.0}
