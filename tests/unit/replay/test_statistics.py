"""Statistics against empyrical on the same series, and their refusals."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.replay.closings import Daily
from algo_panda.replay.equity import EquitySample
from algo_panda.replay.figures import Figure
from algo_panda.replay.standing import Money, Standing, TradeTotals
from algo_panda.replay.statistics import (
    Floats,
    RuinError,
    annual_return,
    annual_volatility,
    calmar_ratio,
    daily_returns,
    drawdowns,
    max_drawdown,
    max_drawdown_duration,
    sharpe_ratio,
    sortino_ratio,
    total_return,
    value_at_risk,
)
from algo_panda.replay.summary import monthly_returns, statistics_of, time_in_market
from algo_panda.replay.trade_statistics import (
    average_holding_time,
    expectancy,
    profit_factor,
    turnover,
    win_rate,
)

TOLERANCE = 1e-10
PAIRS: dict[str, tuple[Callable[..., Figure[float]], Callable[..., float]]] = {
    "total return": (total_return, empyrical.cum_returns_final),
    "annual return": (annual_return, empyrical.annual_return),
    "annual volatility": (annual_volatility, empyrical.annual_volatility),
    "Sharpe ratio": (sharpe_ratio, empyrical.sharpe_ratio),
    "Sortino ratio": (sortino_ratio, empyrical.sortino_ratio),
    "Calmar ratio": (calmar_ratio, empyrical.calmar_ratio),
    "maximum drawdown": (max_drawdown, empyrical.max_drawdown),
}
MADE = {
    "a year of noise": np.random.default_rng(1).normal(0.0005, 0.01, 252),
    "a bad decade": np.random.default_rng(2).normal(-0.001, 0.03, 2_520),
    "fat tails": np.random.default_rng(3).standard_t(3, 500) / 100,
    "a month": np.random.default_rng(4).normal(0, 0.02, 20),
    "up but for one day": np.array([0.01] * 60 + [-0.2] + [0.01] * 60),
    "mostly idle": np.array(([0.0] * 9 + [0.02] + [0.0] * 9 + [-0.01]) * 8),
    "a crash, never made good": np.array([0.001] * 50 + [-0.1] * 5 + [0.0005] * 100),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("returns", MADE.values(), ids=MADE.keys())
def test_a_statistic_is_that_of_empyrical(name: str, returns: Floats) -> None:
    ours, theirs = PAIRS[name]
    assert ours(returns).value == pytest.approx(float(theirs(returns)), rel=TOLERANCE)


@pytest.mark.parametrize("name", ["annual return", "annual volatility", "Sharpe ratio"])
def test_other_years_are_those_of_empyrical_as_well(name: str) -> None:
    ours, theirs = PAIRS[name]
    returns = MADE["fat tails"]
    expected = float(theirs(returns, annualization=365))
    assert ours(returns, days_per_year=365).value == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("cutoff", [0.05, 0.01])
@pytest.mark.parametrize("returns", [r for r in MADE.values() if len(r) >= 100])
def test_value_at_risk_is_that_of_empyrical(returns: Floats, cutoff: float) -> None:
    expected = float(empyrical.value_at_risk(returns, cutoff))
    assert value_at_risk(returns, cutoff=cutoff).value == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("returns", MADE.values(), ids=MADE.keys())
def test_the_drawdowns_and_the_months_are_those_of_empyrical(returns: Floats) -> None:
    assert drawdowns(returns) == pytest.approx(empyrical.stats.drawdown_series(returns), abs=1e-12)
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(len(returns))]
    series = pd.Series(returns, index=pd.DatetimeIndex(days))
    expected = empyrical.aggregate_returns(series, "monthly")
    found = monthly_returns(days, returns)
    assert list(found) == list(expected.index)
    assert list(found.values()) == pytest.approx(list(expected), rel=TOLERANCE, abs=1e-12)


EQUITY = st.lists(st.integers(500_000, 2_000_000), min_size=21, max_size=150)


@given(EQUITY)
def test_of_any_equity_a_number_is_that_of_empyrical_and_else_there_is_none(
    equity: list[int],
) -> None:
    returns = daily_returns(equity)
    assert returns == pytest.approx(empyrical.simple_returns(np.array(equity, float)))
    for name, (ours, theirs) in PAIRS.items():
        found = ours(returns)
        if found.value is None:
            assert found.reason, name
            assert name in {"Sharpe ratio", "Sortino ratio", "Calmar ratio"}
        else:
            # empyrical has no mercy with rounding: cumulative products differ in the last digits.
            assert found.value == pytest.approx(float(theirs(returns)), rel=1e-9, abs=1e-11), name


def naive_duration(equity: list[int]) -> int:
    longest = high = 0
    for n, value in enumerate(equity):
        if value >= max(equity[:n], default=value):
            longest, high = max(longest, n - high if n - high > 1 else 0), n
    return max(longest, len(equity) - 1 - high)


@given(st.lists(st.sampled_from([1000, 1100, 1200, 1300]), min_size=3, max_size=30))
def test_the_duration_is_that_from_a_high_until_it_is_reached_again(equity: list[int]) -> None:
    found = max_drawdown_duration(daily_returns(equity)).value
    assert found == naive_duration(equity)


@pytest.mark.parametrize(
    ("equity", "days"),
    [
        ([100, 110, 120], 0),
        ([100, 110, 105, 110, 120], 2),
        ([100, 90, 95, 99, 100, 90], 4),
        ([100, 110, 90], 1),
        ([100, 120, 110, 100, 90], 3),
    ],
)
def test_durations_by_hand(equity: list[int], days: int) -> None:
    assert max_drawdown_duration(daily_returns(equity)).value == days


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        (total_return(np.zeros(0)), "0 daily returns; needs 1"),
        (annual_return(np.full(19, 0.01)), "19 daily returns; needs 20"),
        (annual_volatility(np.array([0.01])), "1 daily return; needs 20"),
        (sharpe_ratio(np.full(50, 0.001)), "all daily returns are the same"),
        (sortino_ratio(np.full(50, 0.001)), "no day with a loss"),
        (calmar_ratio(np.full(50, 0.001)), "no drawdown"),
        (calmar_ratio(np.full(5, 0.001)), "5 daily returns; needs 20"),
        (max_drawdown(np.zeros(1)), "1 daily return; needs 2"),
        (max_drawdown_duration(np.zeros(0)), "0 daily returns; needs 2"),
        (value_at_risk(np.zeros(19), cutoff=0.05), "19 daily returns; needs 20"),
        (value_at_risk(np.zeros(99), cutoff=0.01), "99 daily returns; needs 100"),
        (annual_return(np.full(20, 100.0)), "too large for a number"),
        (win_rate(TradeTotals(count=29)), "29 trades; needs 30"),
        (expectancy(TradeTotals(count=1)), "1 trade; needs 30"),
        (profit_factor(TradeTotals(count=3)), "3 trades; needs 30"),
        (profit_factor(TradeTotals(count=30, won=30)), "no trade with a loss"),
        (average_holding_time(TradeTotals()), "0 closed trades; needs 1"),
        (time_in_market([]), "no samples"),
    ],
)
def test_where_there_is_too_little_there_is_no_number_but_a_reason(
    figure: Figure[float], reason: str
) -> None:
    assert (figure.value, figure.reason) == (None, reason)


def test_statistics_of_trades_by_hand() -> None:
    trades = TradeTotals(
        count=40,
        won=24,
        lost=12,
        profit=Decimal(300),
        loss=Decimal("120.5"),
        holding_us=40 * 90_000_000,
    )
    assert win_rate(trades).value == 0.6
    assert expectancy(trades).value == Decimal("4.4875")
    assert profit_factor(trades).value == pytest.approx(300 / 120.5)
    assert average_holding_time(trades).value == 90


def test_expectancy_is_what_rates_and_means_of_wins_and_losses_come_to() -> None:
    trades = TradeTotals(count=50, won=30, lost=20, profit=Decimal(90), loss=Decimal(40))
    by_rates = Decimal("0.6") * (Decimal(90) / 30) - Decimal("0.4") * (Decimal(40) / 20)
    assert expectancy(trades).value == by_rates


def daily(profit: list[float], traded: list[float]) -> Daily:
    return Daily(profit=np.array(profit), traded=np.array(traded))


def test_turnover_is_the_mean_of_what_was_traded_over_equity() -> None:
    days = daily([0, 100], [500, 220])
    assert turnover(days, Decimal(1000)).value == pytest.approx((0.5 + 0.2) / 2)


def test_who_has_lost_everything_has_no_returns_from_there_on() -> None:
    with pytest.raises(RuinError, match="day 2"):
        daily_returns([100, 50, 0, 50])
    standing = Standing(money=Money(), trades=TradeTotals(), positions={}, open_value=Decimal(0))
    found = statistics_of(daily([-50, -120], [0, 0]), standing, capital=Decimal(100))
    assert found.total_return.reason == found.sharpe_ratio.reason == "equity is used up on day 2"
    assert found.turnover.reason == "equity is used up"
    assert found.win_rate.reason == "0 trades; needs 30"


def test_time_in_market_is_the_share_of_samples_with_a_position() -> None:
    flat, long = (EquitySample(0, Decimal(1), Decimal(0), Decimal(n)) for n in (0, 5))
    assert time_in_market([flat, long, long, flat]).value == 0.5
