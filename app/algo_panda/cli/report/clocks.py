"""Moments as the clocks of a zone show them."""

from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from algo_panda.domain.timestamps import from_micros

_QUARTER_US = 900_000_000
"""Clocks change at quarters of an hour."""


class Clocks:
    """Of one zone.

    Args:
        zone: which.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._ahead_us = lru_cache(4096)(self._ahead_us_of)

    def axis(self, time_us: int) -> float:
        """Where a time axis without zones has a moment: milliseconds since 1970 by these clocks."""
        local_us = time_us + self._ahead_us(time_us // _QUARTER_US)
        return local_us / 1000 if local_us % 1000 else local_us // 1000

    def text(self, moment: datetime) -> str:
        """To the millisecond, cut off: ``2026-01-05 09:15:00.250``."""
        return moment.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    def text_us(self, time_us: int) -> str:
        """The same of microseconds since the epoch."""
        return self.text(from_micros(time_us))

    def _ahead_us_of(self, quarter: int) -> int:
        moment = from_micros(quarter * _QUARTER_US).astimezone(self._zone)
        return (moment.utcoffset() or timedelta()) // timedelta(microseconds=1)
