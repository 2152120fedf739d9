"""Lag of partitions, and for how long their checkpoints have not advanced."""

from collections.abc import Mapping
from typing import NamedTuple

from algo_panda.kafka.ends import End

TopicPartition = tuple[str, int]

_LONGEST_STEP = 5.0
"""A longer time between two checks does not count: the process was suspended."""


class Lag(NamedTuple):
    """Lag of one partition."""

    where: TopicPartition
    records: int
    """Records from the last checkpoint to the end, transaction markers included."""
    seconds: float
    """For how long there have been records to process and the checkpoint has not moved."""
    blocked_at: int | None = None
    """Offset of an open transaction that hides all of these records; None: some can be read."""


class _Standing(NamedTuple):
    offset: int
    is_blocked: bool
    seconds: float


class Progress:
    """History of the checks of all partitions; time without checks does not count."""

    def __init__(self) -> None:
        self._standing: Mapping[TopicPartition, _Standing] = {}
        self._looked_at: float | None = None

    def look(
        self,
        now: float,
        durable: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, End],
    ) -> list[Lag]:
        """Compare the last checkpoints of the owned partitions with their ends.

        The time without progress starts again for a partition that has advanced, has nothing to
        process, or was not owned before.
        """
        step = 0.0 if self._looked_at is None else min(now - self._looked_at, _LONGEST_STEP)
        self._looked_at = now
        lags = [
            self._lag(where, offset, ends[where], step)
            for where, offset in sorted(durable.items())
            if where in ends
        ]
        self._standing = {
            lag.where: _Standing(durable[lag.where], lag.blocked_at is not None, lag.seconds)
            for lag in lags
            if lag.records
        }
        return lags

    def pause(self) -> None:
        """Do not count the time until the next check."""
        self._looked_at = None

    def _lag(self, where: TopicPartition, offset: int, end: End, step: float) -> Lag:
        records = max(0, end.last - offset)
        is_blocked = records > 0 and end.readable <= offset
        before = self._standing.get(where)
        seconds = 0.0
        if records and before is not None and before[:2] == (offset, is_blocked):
            seconds = before.seconds + step
        return Lag(where, records, seconds, end.readable if is_blocked else None)
