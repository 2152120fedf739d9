"""The ticks before the present one, kept per instrument and shown read-only."""

from collections.abc import Iterable, Sequence
from typing import overload

from algo_panda.domain.market import MarketTick


class History(Sequence[MarketTick]):
    """A fixed stretch of past ticks, oldest first. It never changes once handed out."""

    __slots__ = ("_buffer", "_start", "_stop")

    def __init__(self, buffer: list[MarketTick], start: int, stop: int) -> None:
        self._buffer = buffer
        self._start = start
        self._stop = stop

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, index: int) -> MarketTick: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MarketTick]: ...
    def __getitem__(self, index: int | slice) -> MarketTick | Sequence[MarketTick]:
        if isinstance(index, slice):
            return tuple(self._buffer[self._start : self._stop][index])
        length = self._stop - self._start
        if not -length <= index < length:
            raise IndexError("history index out of range")
        return self._buffer[(self._start if index >= 0 else self._stop) + index]


EMPTY_HISTORY: Sequence[MarketTick] = ()


class HistoryBuffer:
    """Keeps the last ``capacity`` ticks of an instrument.

    Ticks are appended to a list that is replaced, not trimmed, when it has grown to twice the
    capacity: a view handed out earlier goes on showing what it showed.
    """

    __slots__ = ("_buffer", "capacity")

    def __init__(self, capacity: int, ticks: Iterable[MarketTick] = ()) -> None:
        self.capacity = capacity
        """How many ticks are kept, at least; 0: none."""
        self._buffer = list(ticks)[-capacity:] if capacity else []

    def append(self, tick: MarketTick) -> None:
        """Remember ``tick`` as the newest."""
        if not self.capacity:
            return
        if len(self._buffer) >= 2 * self.capacity:
            self._buffer = self._buffer[-self.capacity :]
        self._buffer.append(tick)

    def last(self, count: int) -> Sequence[MarketTick]:
        """The newest ``count`` ticks (fewer where fewer are known), oldest first."""
        if not count:
            return EMPTY_HISTORY
        stop = len(self._buffer)
        return History(self._buffer, max(0, stop - count), stop)

    def ticks(self) -> tuple[MarketTick, ...]:
        """The last ``capacity`` ticks."""
        return tuple(self._buffer[-self.capacity :]) if self.capacity else ()


NO_HISTORY = HistoryBuffer(0)
"""For all instruments that keep none."""
