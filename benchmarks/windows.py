"""Stretches of time, such as those in which checkpoints were under way."""

from bisect import bisect_left
from collections.abc import Iterable


class Windows:
    """From ``length_ms`` before each of the ends up to it, in milliseconds since the epoch."""

    def __init__(self, ends_ms: Iterable[float], length_ms: float) -> None:
        self._ends = sorted(ends_ms)
        self._length = length_ms

    def touched(self, start_ms: float, end_ms: float) -> bool:
        """Whether any of what lies between the two is in one of them."""
        position = bisect_left(self._ends, start_ms)
        return position < len(self._ends) and self._ends[position] - self._length <= end_ms
