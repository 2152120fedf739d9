"""Size of the slices in which a batch is processed."""

from bisect import bisect_left
from collections.abc import Sequence

from algo_panda.streaming.operator import Message

_AIM_SECONDS = 0.025
_FIRST_SIZE = 64


class SliceSize:
    """Number of records that can be processed in about 25 ms, as measured so far.

    However slow a strategy is, a worker then reacts to a rebalance or a stop within that time, or
    within the time of one record.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = min(_FIRST_SIZE, largest)

    def end(self, messages: Sequence[Message], at: int, bound: int | None) -> int:
        """Return the end of the slice that begins at index ``at``: before the offset ``bound``."""
        end = min(len(messages), at + self._size)
        if bound is None or end == at or (messages[end - 1].offset() or 0) < bound:
            return end
        return bisect_left(messages, bound, at, end, key=lambda message: message.offset() or 0)

    def took(self, records: int, seconds: float) -> None:
        """Adapt the size to the time that so many records took; it doubles at most."""
        if not records:
            return
        fitting = int(_AIM_SECONDS * records / seconds) if seconds > 0 else self._largest
        self._size = max(1, min(fitting, 2 * self._size, self._largest))
