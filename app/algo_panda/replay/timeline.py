"""At which moments the books of a replay are looked at, as event time passes."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from algo_panda.replay.days import Days
from algo_panda.replay.equity import EquityCurve
from algo_panda.replay.ticks import EVENT, TickColumns


class Moment(NamedTuple):
    """When the books are looked at."""

    time_us: int
    closes: date | None
    """The day that ends; None: it is a moment of the curve's grid."""


class Timeline:
    """The grid and the days that ticks pass.

    A moment is handed out when a tick behind it was seen; a tick that comes later than that
    belongs to the cell, and the day, that are open.

    Args:
        days: which days.
        curve: whose grid.
    """

    def __init__(self, days: Days, curve: EquityCurve) -> None:
        self._days = days
        self._curve = curve
        self.newest_us: int | None = None
        """Newest event time seen, microseconds since the epoch; None: there was no tick."""

    @property
    def open_day(self) -> date | None:
        """The day of the newest tick."""
        return None if self.newest_us is None else self._days.of(self.newest_us)

    def passed(self, columns: Sequence[TickColumns]) -> Sequence[Moment]:
        """What these ticks leave behind them, rising.

        Args:
            columns: ticks, at least one in each.
        """
        times = [part.fields[EVENT] for part in columns]
        oldest = min(int(part.min()) for part in times)
        begun = oldest if self.newest_us is None else self.newest_us
        newest = self.newest_us = max(begun, *(int(part.max()) for part in times))
        ends = {self._curve.cell_end(begun)}
        days = {self._days.of(begun)}
        for part in times:
            ends.update(np.unique(self._curve.cell_ends(part)).tolist())
            days.update(self._days.among(part))
        first, last = self._curve.cell_end(begun), self._curve.cell_end(newest)
        grid = [Moment(end, None) for end in ends if first <= end < last]
        opened, open_ = self._days.of(begun), self._days.of(newest)
        closed = [Moment(self._days.end_us(day) - 1, day) for day in days if opened <= day < open_]
        return sorted((*closed, *grid), key=lambda moment: moment.time_us)
