"""Builds bars of event time out of ticks."""

import struct
from typing import ClassVar

from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.money import from_raw
from algo_panda.domain.timestamps import from_micros

_MICROS_PER_SECOND = 1_000_000

_VOLUME_HALF = 2**63
"""A tick's quantity is below it, a sum of them need not be: a snapshot holds it in two halves."""


class BarBuilder:
    """Open, high, low, close and volume of one instrument, per interval of event time.

    Intervals are aligned to the Unix epoch. A bar closes when the first tick of a later interval
    arrives; nothing looks at a clock. An interval without a tick gives no bar.

    Ticks may arrive out of order. Within the open interval, event time decides: the bar opens at
    the price of the earliest tick and closes at that of the latest, and of ticks with equal times
    the first to arrive is the earlier. So the bar is that of the interval's ticks sorted by event
    time, whatever order they came in. A tick of an interval before the open one is late: it never
    reopens a closed bar, changes nothing, and is counted.
    """

    __slots__ = (
        "_close",
        "_count",
        "_end",
        "_first_us",
        "_high",
        "_interval_us",
        "_last_us",
        "_low",
        "_open",
        "_start",
        "_token",
        "_volume",
        "late_ticks",
    )

    _LAYOUT: ClassVar = struct.Struct("<B12q")
    _VERSION: ClassVar = 1

    def __init__(self, instrument_token: int, interval_seconds: int) -> None:
        """Start without a bar.

        Raises:
            ValueError: ``interval_seconds`` is below 1.
        """
        if interval_seconds < 1:
            raise ValueError(f"the interval of a bar is {interval_seconds} s, below 1")
        self._token = instrument_token
        self._interval_us = interval_seconds * _MICROS_PER_SECOND
        self.late_ticks = 0
        """Ticks that came after their bar was closed."""
        self._start = self._end = 0
        self._first_us = self._last_us = 0
        self._open = self._high = self._low = self._close = 0
        self._volume = 0
        self._count = 0  # 0: no bar is open

    def update(self, tick: MarketTick) -> Bar | None:
        """Take the next tick of the instrument; the bar that it closed, if it closed one."""
        at = tick.event_time_us
        if not self._count:
            self._begin(tick)
            return None
        if at >= self._end:
            closed = self._bar()
            self._begin(tick)
            return closed
        if at < self._start:
            self.late_ticks += 1
            return None
        price = tick.price_raw
        if at >= self._last_us:
            self._last_us = at
            self._close = price
        elif at < self._first_us:
            self._first_us = at
            self._open = price
        if price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._volume += tick.last_traded_quantity
        self._count += 1
        return None

    def snapshot(self) -> bytes:
        """The open bar and the count of late ticks."""
        return self._LAYOUT.pack(
            self._VERSION,
            self._token,
            self._interval_us,
            self._first_us,
            self._last_us,
            self._open,
            self._high,
            self._low,
            self._close,
            *divmod(self._volume, _VOLUME_HALF),
            self._count,
            self.late_ticks,
        )

    def restore(self, state: bytes) -> None:
        """Go on from where ``snapshot`` gave ``state``.

        Raises:
            ValueError: it is of another version, instrument or interval, or damaged; nothing was
                changed.
        """
        if state[:1] != bytes([self._VERSION]):
            raise ValueError("bar state is of another version")
        try:
            _, token, interval_us, *values = self._LAYOUT.unpack(state)
        except struct.error as error:
            raise ValueError("bar state is damaged") from error
        if token != self._token:
            raise ValueError(f"bar state is of instrument {token}, not {self._token}")
        if interval_us != self._interval_us:
            raise ValueError(
                f"bar state is of {interval_us // _MICROS_PER_SECOND} s bars, "
                f"not {self._interval_us // _MICROS_PER_SECOND} s"
            )
        self._first_us, self._last_us = values[0:2]
        self._open, self._high, self._low, self._close = values[2:6]
        self._volume = values[6] * _VOLUME_HALF + values[7]
        self._count, self.late_ticks = values[8:10]
        self._span(self._first_us)

    def _begin(self, tick: MarketTick) -> None:
        self._first_us = self._last_us = tick.event_time_us
        self._open = self._high = self._low = self._close = tick.price_raw
        self._volume = tick.last_traded_quantity
        self._count = 1
        self._span(tick.event_time_us)

    def _span(self, at: int) -> None:
        self._start = at - at % self._interval_us
        self._end = self._start + self._interval_us

    def _bar(self) -> Bar:
        return Bar(
            instrument_token=self._token,
            start=from_micros(self._start),
            interval_seconds=self._interval_us // _MICROS_PER_SECOND,
            open=from_raw(self._open),
            high=from_raw(self._high),
            low=from_raw(self._low),
            close=from_raw(self._close),
            volume=self._volume,
            tick_count=self._count,
        )
