"""What a replay had come to at the end of each day: in all, by strategy and by instrument."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from app.replay.exact import exactly
from app.replay.ledger import Ledger

Floats = NDArray[np.float64]


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

    @exactly
    def close(self, day: date, ledger: Ledger) -> None:
        """``day`` ends with these books."""
        zero = (Decimal(0), Decimal(0))
        strategies = dict.fromkeys(self._strategies, zero)
        instruments = dict.fromkeys(self._instruments, zero)
        profit, traded = zero
        for key, book in ledger.books.items():
            net = book.net_profit(ledger.price(key.instrument_token))
            value = book.money.traded
            profit, traded = profit + net, traded + value
            at = strategies.get(key.strategy_id, zero)
            strategies[key.strategy_id] = at[0] + net, at[1] + value
            at = instruments.get(key.instrument_token, zero)
            instruments[key.instrument_token] = at[0] + net, at[1] + value
        self._append(self._all, profit, traded)
        for name, values in strategies.items():
            self._append(self._strategies.setdefault(name, _Series(len(self.days))), *values)
        for token, values in instruments.items():
            self._append(self._instruments.setdefault(token, _Series(len(self.days))), *values)
        self.days.append(day)

    @staticmethod
    def _append(series: _Series, profit: Decimal, traded: Decimal) -> None:
        series.profit.append(float(profit))
        series.traded.append(float(traded))


def equity_of(daily: Daily, capital: Decimal) -> Sequence[float]:
    """Equity before the first day and at the close of each, had it had the whole capital."""
    start = float(capital)
    return [start, *(start + daily.profit).tolist()]
