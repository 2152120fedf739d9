"""A replay in real time, or some times as fast, for those who want to watch."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np

from algo_panda.replay.merging import Arrivals, Block

_SLICE_SECONDS = 0.05
"""Ticks that are due within so much of each other come together."""
_LOOK_SECONDS = 0.1
"""Longest sleep without a look at whether to stop."""


class Clock(Protocol):
    """The part of the module ``time`` that is used."""

    def monotonic(self) -> float:
        """Seconds of a monotonic clock."""
        ...

    def sleep(self, seconds: float, /) -> object:
        """Wait."""
        ...


def paced(
    given: Iterable[Block], *, speed: float, clock: Clock, stopped: Callable[[], bool]
) -> Iterator[Block]:
    """The ticks of ``given``, each when it is due by the time since the first one.

    Args:
        given: blocks, as they come from ``blocks``.
        speed: 1.0 for as fast as they once came.
        clock: for when they are due.
        stopped: ends the waiting, whatever is due when.
    """
    origin_us: int | None = None
    started = 0.0
    for block in given:
        rest = block
        while rest:
            at_us = min(int(part.arrived_us[0]) for part in rest)
            if origin_us is None:
                origin_us, started = at_us, clock.monotonic()
            due = started + (at_us - origin_us) / (1_000_000 * speed)
            while not stopped() and (remaining := due - clock.monotonic()) > 0:
                clock.sleep(min(remaining, _LOOK_SECONDS))
            edge_us = at_us + max(1, round(_SLICE_SECONDS * speed * 1_000_000))
            yield _parts(rest, 0, edge_us)
            rest = _parts(rest, edge_us, None)


def _parts(block: Block, from_us: int, to_us: int | None) -> Block:
    """What of ``block`` arrived from ``from_us`` to before ``to_us``; None: to its end."""
    found: list[Arrivals] = []
    for columns, arrived in block:
        start = int(np.searchsorted(arrived, from_us))
        stop = len(arrived) if to_us is None else int(np.searchsorted(arrived, to_us))
        if start < stop:
            found.append(Arrivals(columns.part(start, stop), arrived[start:stop]))
    return found
