"""How much of a batch is processed at a time."""

from bisect import bisect_left
from collections.abc import Sequence

from algo_panda.streaming.operator import Message

_AIM_SECONDS = 0.025
_FIRST_SIZE = 64


class SliceSize:
    """As many records as can be processed in about 25 ms, as measured so far.

    However slow a strategy is, a worker then hears of a rebalance, or that it is to stop, within
    that time or that of one record.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = min(_FIRST_SIZE, largest)

    def end(self, messages: Sequence[Message], at: int, bound: int | None) -> int:
        """Where the slice that begins at index ``at`` ends: before the offset ``bound``."""
        end = min(len(messages), at + self._size)
        if bound is None or end == at or (messages[end - 1].offset() or 0) < bound:
            return end
        return bisect_left(messages, bound, at, end, key=lambda message: message.offset() or 0)

    def took(self, records: int, seconds: float) -> None:
        """Take note of how long so many records took; a slice at most doubles."""
        if not records:
            return
        fitting = int(_AIM_SECONDS * records / seconds) if seconds > 0 else self._largest
        self._size = max(1, min(fitting, 2 * self._size, self._largest))
