"""Days of a time zone, and on which of them there were ticks."""

from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache

import numpy as np

from algo_panda.domain.timestamps import from_micros, to_micros
from algo_panda.replay.ticks import Integers

_DAY_US = 86_400_000_000


class Days:
    """Days as the clocks of a zone count them.

    Args:
        zone: whose clocks.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.start_us = lru_cache(1024)(self._start_us)
        """``start_us(day)``: its first moment, microseconds since the epoch."""

    def of(self, time_us: int) -> date:
        """The day of a moment."""
        return from_micros(time_us).astimezone(self._zone).date()

    def end_us(self, day: date) -> int:
        """The first moment after ``day``."""
        return self.start_us(day + timedelta(days=1))

    def among(self, times_us: Integers) -> AbstractSet[date]:
        """The days of some moments."""
        first, last = self.of(int(times_us.min())), self.of(int(times_us.max()))
        if first == last:
            return {first}
        # A day of UTC has parts of two or three of the zone's.
        rough: list[int] = np.unique(times_us // _DAY_US).tolist()
        days = sorted({self.of(n * _DAY_US + at) for n in rough for at in (0, _DAY_US - 1)})
        starts = np.array([self.start_us(day) for day in days], np.int64)
        found: list[int] = np.unique(np.searchsorted(starts, times_us, "right") - 1).tolist()
        return {days[n] for n in found}

    def _start_us(self, day: date) -> int:
        return to_micros(datetime.combine(day, time(), self._zone))
