"""What a replay had come to at the end of each day: in all, by strategy and by instrument."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from algo_panda.domain.money import PRICE_SCALE
from algo_panda.replay.ledger import Ledger

Floats = NDArray[np.float64]
_ONE_RAW = 10**PRICE_SCALE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Daily:
    """One value for each day."""

    profit: Floats
    """Net profit from the beginning to the close of each day."""
    traded: Floats
    """Value of purchases and sales on each day."""


class _Series:
    """Of one strategy, or instrument, or all."""

    def __init__(self, days: int) -> None:
        self.profit = array("d", bytes(8 * days))
        self.traded = array("d", bytes(8 * days))

    def daily(self) -> Daily:
        return Daily(
            profit=np.array(self.profit, np.float64),
            traded=np.diff(np.array(self.traded, np.float64), prepend=0.0),
        )


class Closings:
    """Takes note of the books at the close of each day.

    As floats, which returns are made of: years of days of thousands of instruments are a lot of
    decimals. Money is in the books.
    """

    def __init__(self) -> None:
        self.days: list[date] = []
        """With at least one tick; rising."""
        self._all = _Series(0)
        self._strategies: dict[str, _Series] = {}
        self._instruments: dict[int, _Series] = {}

    @property
    def whole(self) -> Daily:
        """Of everything."""
        return self._all.daily()

    @property
    def strategies(self) -> Mapping[str, Daily]:
        """By strategy id; of those that traded."""
        return {name: series.daily() for name, series in self._strategies.items()}

    @property
    def instruments(self) -> Mapping[int, Daily]:
        """By instrument; of those that were traded."""
        return {token: series.daily() for token, series in self._instruments.items()}

    def close(self, day: date, ledger: Ledger) -> None:
        """``day`` ends with these books."""
        strategies = {name: [0, 0] for name in self._strategies}
        instruments = {token: [0, 0] for token in self._instruments}
        whole = [0, 0]
        for key, book in ledger.books.items():
            net_raw = book.net_raw(ledger.prices_raw[key.instrument_token])
            for sums in (
                whole,
                strategies.setdefault(key.strategy_id, [0, 0]),
                instruments.setdefault(key.instrument_token, [0, 0]),
            ):
                sums[0] += net_raw
                sums[1] += book.traded_raw
        self._append(self._all, whole)
        for name, sums in strategies.items():
            self._append(self._strategies.setdefault(name, _Series(len(self.days))), sums)
        for token, sums in instruments.items():
            self._append(self._instruments.setdefault(token, _Series(len(self.days))), sums)
        self.days.append(day)

    @staticmethod
    def _append(series: _Series, sums: Sequence[int]) -> None:
        profit_raw, traded_raw = sums
        series.profit.append(profit_raw / _ONE_RAW)
        series.traded.append(traded_raw / _ONE_RAW)


def equity_of(daily: Daily, capital: Decimal) -> Sequence[float]:
    """Equity before the first day and at the close of each, had it had the whole capital."""
    start = float(capital)
    return [start, *(start + daily.profit).tolist()]
