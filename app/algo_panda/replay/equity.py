"""The equity of a replay through time, on a regular grid that grows coarser rather than long."""

from decimal import Decimal
from typing import NamedTuple

from algo_panda.replay.ticks import Integers

MINUTE_US = 60_000_000
_MOST_SAMPLES = 10_000


class EquitySample(NamedTuple):
    """What there was at one moment."""

    time_us: int
    """A multiple of the grid's step, microseconds since the epoch."""
    equity: Decimal
    """Capital, cash and market value of open positions, after fees."""
    net_exposure: Decimal
    """Market value of what is held, less that of what is short."""
    gross_exposure: Decimal
    """Market value of both, added up over strategies, accounts and instruments."""


class EquityCurve:
    """Samples at multiples of a step, where there were ticks in the step before.

    With more than ``most`` samples, the step doubles and every second one is left out.

    Args:
        step_us: between samples at first, microseconds.
        most: samples kept.
    """

    def __init__(self, *, step_us: int = MINUTE_US, most: int = _MOST_SAMPLES) -> None:
        self.step_us = step_us
        self._most = most
        self._samples: dict[int, EquitySample] = {}

    @property
    def samples(self) -> list[EquitySample]:
        """Those kept, in their order."""
        return list(self._samples.values())

    def cell_end(self, time_us: int) -> int:
        """The first moment of the grid that is not before ``time_us``."""
        return -(-time_us // self.step_us) * self.step_us

    def cell_ends(self, times_us: Integers) -> Integers:
        """The same of many."""
        return -(-times_us // self.step_us) * self.step_us

    def add(self, sample: EquitySample) -> None:
        """Take the next sample; it counts at the end of its cell."""
        self._put(sample)
        while len(self._samples) > self._most:
            kept, self._samples = self._samples, {}
            self.step_us *= 2
            for one in kept.values():
                self._put(one)

    def _put(self, sample: EquitySample) -> None:
        time_us = self.cell_end(sample.time_us)
        self._samples[time_us] = sample._replace(time_us=time_us)
