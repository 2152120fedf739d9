"""What a replay came to: in all, by strategy, by instrument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from algo_panda.replay.closings import Daily
from algo_panda.replay.equity import EquitySample
from algo_panda.replay.ledger import BookKey
from algo_panda.replay.lots import Lot
from algo_panda.replay.portfolio import Portfolio
from algo_panda.replay.standing import Money, Standing, TradeTotals, standing
from algo_panda.replay.statistics import DAYS_PER_YEAR
from algo_panda.replay.summary import Statistics, statistics_of
from algo_panda.replay.trades import Trade

NO_MONEY: Final = Standing(money=Money(), trades=TradeTotals(), positions={}, open_value=Decimal(0))
"""Where nothing was traded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One strategy, one instrument, or everything."""

    daily: Daily
    standing: Standing
    statistics: Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Of a whole run, for reports."""

    capital: Decimal
    days_per_year: int
    zone: str
    """Whose days."""
    days: Sequence[date]
    """With ticks, rising; what each ``Daily`` has a value for."""
    whole: Part
    strategies: Mapping[str, Part]
    """By id, in the order of their first fills; of those that traded."""
    instruments: Mapping[int, Part]
    """By token, likewise."""
    equity: Sequence[EquitySample]
    """On a regular grid, ``step_us`` apart; moments with no tick since the one before are left
    out."""
    step_us: int
    trades: Sequence[Trade]
    """The first of them; ``whole.standing.trades.count`` says how many there were."""
    open_lots: Mapping[BookKey, Sequence[Lot]]
    """What was opened and not closed, the oldest first; of books that are not flat."""


def results_of(portfolio: Portfolio, *, days_per_year: int = DAYS_PER_YEAR) -> Results:
    """What a portfolio came to; it is finished with this."""
    portfolio.finish()
    ledger, closings = portfolio.ledger, portfolio.closings
    books = list(ledger.books.items())

    def part(daily: Daily, came_to: Standing) -> Part:
        figures = statistics_of(
            daily, came_to, capital=portfolio.capital, days_per_year=days_per_year
        )
        return Part(daily=daily, standing=came_to, statistics=figures)

    return Results(
        capital=portfolio.capital,
        days_per_year=days_per_year,
        zone=str(portfolio.zone),
        days=closings.days,
        whole=part(closings.whole, standing(books, ledger)),
        strategies={
            name: part(daily, standing((b for b in books if b[0].strategy_id == name), ledger))
            for name, daily in closings.strategies.items()
        },
        instruments={
            token: part(
                daily, standing((b for b in books if b[0].instrument_token == token), ledger)
            )
            for token, daily in closings.instruments.items()
        },
        equity=portfolio.curve.samples,
        step_us=portfolio.curve.step_us,
        trades=portfolio.trades,
        open_lots={key: book.lots.open for key, book in books if book.lots.open},
    )
