"""All statistics of what some books came to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal

from algo_panda.replay import statistics, trade_statistics
from algo_panda.replay.closings import Daily, equity_of
from algo_panda.replay.equity import EquitySample
from algo_panda.replay.figures import Figure, no_figure
from algo_panda.replay.standing import Standing
from algo_panda.replay.statistics import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Each a number, or a reason why there is none. Returns and ratios are fractions, not %."""

    total_return: Figure[float]
    annual_return: Figure[float]
    annual_volatility: Figure[float]
    sharpe_ratio: Figure[float]
    sortino_ratio: Figure[float]
    calmar_ratio: Figure[float]
    max_drawdown: Figure[float]
    """Of daily closes; negative."""
    max_drawdown_duration: Figure[float]
    """Days with ticks."""
    value_at_risk_95: Figure[float]
    """Of one day; negative where it is a loss."""
    value_at_risk_99: Figure[float]
    expectancy: Figure[Decimal]
    profit_factor: Figure[float]
    win_rate: Figure[float]
    average_holding_time: Figure[float]
    """Seconds."""
    turnover: Figure[float]
    """Mean of a day."""


def statistics_of(
    daily: Daily,
    standing: Standing,
    *,
    capital: Decimal,
    days_per_year: int = statistics.DAYS_PER_YEAR,
) -> Statistics:
    """The statistics of a strategy, an instrument or everything.

    Args:
        daily: its days.
        standing: its books at the end.
        capital: equity at the beginning: each is judged as though it had all of it to itself.
        days_per_year: for annual figures.
    """
    trades = standing.trades
    return Statistics(
        **_of_returns(daily, capital, days_per_year),
        expectancy=trade_statistics.expectancy(trades),
        profit_factor=trade_statistics.profit_factor(trades),
        win_rate=trade_statistics.win_rate(trades),
        average_holding_time=trade_statistics.average_holding_time(trades),
        turnover=trade_statistics.turnover(daily, capital),
    )


def _of_returns(daily: Daily, capital: Decimal, days_per_year: int) -> dict[str, Figure[float]]:
    try:
        returns = statistics.daily_returns(equity_of(daily, capital))
    except statistics.RuinError as error:
        return dict.fromkeys(_OF_RETURNS, no_figure(str(error)))
    annual = {
        function.__name__: function(returns, days_per_year=days_per_year)
        for function in (
            statistics.annual_return,
            statistics.annual_volatility,
            statistics.sharpe_ratio,
            statistics.sortino_ratio,
            statistics.calmar_ratio,
        )
    }
    return {
        **annual,
        "total_return": statistics.total_return(returns),
        "max_drawdown": statistics.max_drawdown(returns),
        "max_drawdown_duration": statistics.max_drawdown_duration(returns),
        "value_at_risk_95": statistics.value_at_risk(returns, cutoff=0.05),
        "value_at_risk_99": statistics.value_at_risk(returns, cutoff=0.01),
    }


_OF_RETURNS = tuple(field.name for field in fields(Statistics))[:10]


def monthly_returns(days: Sequence[date], returns: Floats) -> dict[tuple[int, int], float]:
    """Compound return of each month that had days, by year and month.

    (empyrical ``aggregate_returns(returns, 'monthly')``.)
    """
    growth: dict[tuple[int, int], float] = {}
    for day, one in zip(days, returns.tolist(), strict=True):
        month = (day.year, day.month)
        growth[month] = growth.get(month, 1.0) * (1.0 + one)
    return {month: grown - 1.0 for month, grown in growth.items()}


def time_in_market(samples: Sequence[EquitySample]) -> Figure[float]:
    """Share of the equity curve's samples at which some position was open."""
    if not samples:
        return no_figure("no samples")
    return Figure(sum(1 for sample in samples if sample.gross_exposure) / len(samples))
