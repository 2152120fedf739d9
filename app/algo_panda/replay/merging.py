"""Partitions as one stream, in the order in which their ticks reached the broker.

Live, nothing orders one partition against another; here something has to, or what an account does
with instruments in several partitions would differ from run to run. The order is by time of
arrival, then partition, then offset, where a tick whose time stamp is before that of one in front
of it in its partition counts as arrived with that one. It does not depend on the pieces in which
ticks are read.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from algo_panda.replay.ticks import Integers, RecordedTicks, Refuse, TickColumns


class Arrivals(NamedTuple):
    """Ticks of one partition, and when each counts as arrived."""

    columns: TickColumns
    arrived_us: Integers
    """Microseconds since the epoch, never falling."""


Block = Sequence[Arrivals]
"""Ticks of one or more partitions, rising; all arrived before those of the next block did."""


def blocks(
    source: RecordedTicks, refuse: Refuse, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Block]:
    """All partitions of ``source``, read side by side.

    Args:
        source: the ticks.
        refuse: is told of records that are no ticks.
        stopped: asked for every piece that is read; True ends the reading.
    """
    lanes = [
        _Lane(source.read(partition, refuse), source.time_field, stopped)
        for partition in source.partitions
    ]
    while lanes := [lane for lane in lanes if lane.has_ticks()]:
        if len(lanes) == 1:
            yield [lanes[0].take(None)]
            continue
        horizon = min(lane.last_us for lane in lanes)
        block = [taken for lane in lanes if len((taken := lane.take(horizon)).columns)]
        if block:
            yield block
            continue
        # All at hand of some lane arrived at the horizon, and more of that moment may follow.
        extended = [lane.extend() for lane in lanes if lane.last_us == horizon]
        if not any(extended):
            yield [lane.take(horizon + 1) for lane in lanes if lane.first_us == horizon]


def arrival_order(block: Block) -> Integers:
    """The order of the ticks of ``block``, as indices into its columns put one behind another."""
    return np.argsort(np.concatenate([part.arrived_us for part in block]), kind="stable")


class _Lane:
    """One partition, read so far."""

    def __init__(
        self, pieces: Iterator[TickColumns], time_field: int, stopped: Callable[[], bool]
    ) -> None:
        self._stopped = stopped
        self._pieces = pieces
        self._time_field = time_field
        self._columns: TickColumns | None = None
        self._arrived: Integers = np.zeros(0, np.int64)
        self._latest = 0

    @property
    def first_us(self) -> int:
        """When the first tick at hand arrived."""
        return int(self._arrived[0])

    @property
    def last_us(self) -> int:
        """When the last one did."""
        return self._latest

    def has_ticks(self) -> bool:
        """Have some at hand; False where there are none left."""
        return bool(len(self._arrived)) or self.extend()

    def extend(self) -> bool:
        """Have more at hand; False where there are no more."""
        piece = next(self._pieces, None)
        while piece is not None and not len(piece):
            piece = None if self._stopped() else next(self._pieces, None)
        if piece is None:
            return False
        arrived = np.maximum.accumulate(np.maximum(piece.fields[self._time_field], self._latest))
        self._latest = int(arrived[-1])
        self._arrived = np.concatenate((self._arrived, arrived))
        self._columns = piece if self._columns is None else self._columns.then(piece)
        return True

    def take(self, horizon_us: int | None) -> Arrivals:
        """Hand out what is at hand and arrived before ``horizon_us``; None: all at hand."""
        columns = self._columns
        assert columns is not None  # noqa: S101 - has_ticks() said so
        at = len(self._arrived)
        if horizon_us is not None:
            at = int(np.searchsorted(self._arrived, horizon_us, side="left"))
        taken = Arrivals(columns.part(0, at), self._arrived[:at])
        self._columns = columns.part(at) if at < len(self._arrived) else None
        self._arrived = self._arrived[at:]
        return taken
