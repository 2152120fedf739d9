"""How far partitions are behind, and for how long they have not got on."""

from collections.abc import Mapping
from typing import NamedTuple

from algo_panda.kafka.ends import End

TopicPartition = tuple[str, int]

_LONGEST_STEP = 5.0
"""More time than this between two looks is not the partitions' doing: this process was held up."""


class Lag(NamedTuple):
    """How one partition stands."""

    where: TopicPartition
    records: int
    """From the last checkpoint to the end, transaction markers among them."""
    seconds: float
    """For how long there have been records to process and the checkpoint has not moved."""
    blocked_at: int | None = None
    """Offset of an open transaction that hides all of these records; None: some can be read."""


class _Standing(NamedTuple):
    offset: int
    is_blocked: bool
    seconds: float


class Progress:
    """Remembers from look to look; time without looks does not count."""

    def __init__(self) -> None:
        self._standing: Mapping[TopicPartition, _Standing] = {}
        self._looked_at: float | None = None

    def look(
        self,
        now: float,
        durable: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, End],
    ) -> list[Lag]:
        """Take note of what is owned now, its last checkpoints and its ends; gives them all.

        A partition that got on, has nothing to process, or was not owned begins anew.
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
        """The time until the next look does not count."""
        self._looked_at = None

    def _lag(self, where: TopicPartition, offset: int, end: End, step: float) -> Lag:
        records = max(0, end.last - offset)
        is_blocked = records > 0 and end.readable <= offset
        before = self._standing.get(where)
        seconds = 0.0
        if records and before is not None and before[:2] == (offset, is_blocked):
            seconds = before.seconds + step
        return Lag(where, records, seconds, end.readable if is_blocked else None)
