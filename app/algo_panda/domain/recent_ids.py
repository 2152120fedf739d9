"""Ids of processed records, kept for a limited time to recognise redelivered records."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

IDS_PER_SEGMENT = 128
"""A checkpoint writes at most this many ids more than were added since the last one."""

_SEGMENTS_PER_PERIOD = 24
"""An id is kept for up to 1/24 longer than asked for."""


class IdSegment(NamedTuple):
    """Ids that are forgotten together: one record of a checkpoint."""

    number: int
    """Rises by one from segment to segment."""
    expires_us: int
    """When the newest id is forgotten, microseconds since the epoch."""
    ids: tuple[str, ...]


class SegmentChanges(NamedTuple):
    """Difference between two checkpoints."""

    written: tuple[IdSegment, ...]
    """New segments, and the newest one of the last checkpoint if it has grown."""
    expired: tuple[int, ...]
    """Numbers of segments to delete."""


class RecentIds:
    """A set of ids that forgets each id after a period.

    Args:
        period_us: how long an id is kept, in microseconds.
    """

    def __init__(self, period_us: int) -> None:
        self._period_us = period_us
        self._ids: set[str] = set()
        self._full: deque[IdSegment] = deque()
        self._number = 0
        """Of the open segment."""
        self._open: list[str] = []
        self._opened_us = 0
        self._expires_us = 0
        self._open_has_grown = False
        self._rewritten_from = 0
        """Number of the first segment that the next checkpoint has to write."""
        self._known_until = 0
        """Number behind the last segment that a checkpoint has written."""
        self._expired: list[int] = []

    def __contains__(self, given: object) -> bool:
        """Return whether the id is kept."""
        return given in self._ids

    def __len__(self) -> int:
        """Return the number of ids that are kept."""
        return len(self._ids)

    def add(self, given: str, now_us: int) -> bool:
        """Keep an id; return whether it is new.

        Args:
            given: the id.
            now_us: the present time, microseconds since the epoch. A time before that of an
                earlier call counts as that one.
        """
        if self._open and (
            len(self._open) >= IDS_PER_SEGMENT
            or now_us - self._opened_us > self._period_us // _SEGMENTS_PER_PERIOD
        ):
            self._close()
        if self._full and self._full[0].expires_us < now_us:
            self._forget(now_us)
        if given in self._ids:
            return False
        if not self._open:
            self._opened_us = now_us
        self._ids.add(given)
        self._open.append(given)
        self._expires_us = max(self._expires_us, now_us + self._period_us)
        self._open_has_grown = True
        return True

    def changes(self) -> SegmentChanges:
        """Return what changed since the last call."""
        written: list[IdSegment] = []
        for segment in reversed(self._full):  # the newest first: a day has many older ones
            if segment.number < self._rewritten_from:
                break
            written.append(segment)
        written.reverse()
        if self._open_has_grown:
            written.append(self._open_segment())
            self._open_has_grown = False
        self._rewritten_from = self._number
        if written:
            self._known_until = written[-1].number + 1
        expired, self._expired = self._expired, []
        return SegmentChanges(tuple(written), tuple(expired))

    def restore(self, segments: Iterable[IdSegment]) -> None:
        """Continue from the segments of all earlier checkpoints; call before the first ``add``."""
        for segment in sorted(segments):
            self._full.append(segment)
            self._ids.update(segment.ids)
            self._number = self._rewritten_from = self._known_until = segment.number + 1
            self._expires_us = segment.expires_us

    def _open_segment(self) -> IdSegment:
        return IdSegment(self._number, self._expires_us, tuple(self._open))

    def _close(self) -> None:
        self._full.append(self._open_segment())
        self._number += 1
        self._open = []
        self._open_has_grown = False

    def _forget(self, now_us: int) -> None:
        while self._full and self._full[0].expires_us < now_us:
            segment = self._full.popleft()
            self._ids.difference_update(segment.ids)
            if segment.number < self._known_until:
                self._expired.append(segment.number)
