"""Bars of event time, made anew of all ticks of the open interval."""

import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from algo_panda.domain.market import Bar, MarketTick

_SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STORED = struct.Struct("<B12q")
"""Version, instrument, interval, times of the earliest and the latest tick, prices, volume in two
halves, ticks, late ticks: as states hold an open bar."""


class Bars:
    """The bars of one instrument."""

    def __init__(self, token: int, seconds: int) -> None:
        self._token = token
        self._interval_us = seconds * _SECOND_US
        self._ticks: list[MarketTick] = []
        """Those of the open interval, in the order of their arrival."""
        self._late = 0

    def take(self, tick: MarketTick) -> Bar | None:
        """Take a tick; return the bar that it closed."""
        if not self._ticks:
            self._ticks = [tick]
            return None
        start = self._start()
        if tick.event_time_us < start:
            self._late += 1
            return None
        if tick.event_time_us < start + self._interval_us:
            self._ticks.append(tick)
            return None
        closed = self._bar()
        self._ticks = [tick]
        return closed

    def stored(self) -> bytes:
        """Return the open bar as a state holds it."""
        if not self._ticks:
            return _STORED.pack(1, self._token, self._interval_us, *[0] * 9, self._late)
        first, last = self._ends()
        prices = [tick.price_raw for tick in self._ticks]
        return _STORED.pack(
            1,
            self._token,
            self._interval_us,
            first.event_time_us,
            last.event_time_us,
            first.price_raw,
            max(prices),
            min(prices),
            last.price_raw,
            *divmod(sum(tick.last_traded_quantity for tick in self._ticks), 2**63),
            len(self._ticks),
            self._late,
        )

    def _start(self) -> int:
        return self._ticks[0].event_time_us // self._interval_us * self._interval_us

    def _ends(self) -> tuple[MarketTick, MarketTick]:
        """Return the earliest and the latest tick; of equal times the first one is earlier."""
        in_order = sorted(self._ticks, key=lambda tick: tick.event_time_us)
        return in_order[0], in_order[-1]

    def _bar(self) -> Bar:
        first, last = self._ends()
        prices = [tick.price_raw for tick in self._ticks]
        return Bar(
            instrument_token=self._token,
            start=_EPOCH + timedelta(microseconds=self._start()),
            interval_seconds=self._interval_us // _SECOND_US,
            open=price(first.price_raw),
            high=price(max(prices)),
            low=price(min(prices)),
            close=price(last.price_raw),
            volume=sum(tick.last_traded_quantity for tick in self._ticks),
            tick_count=len(self._ticks),
        )


def price(raw: int) -> Decimal:
    """Return a price of ``10**-8`` units without trailing zeros, as strategies see it."""
    whole, part = divmod(raw, 10**8)
    return Decimal(f"{whole}.{part:08d}".rstrip("0").rstrip("."))
