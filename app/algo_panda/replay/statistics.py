"""Statistics of daily returns, by their standard names and formulas.

They are those of the Python library empyrical (Quantopian; kept on as empyrical-reloaded), to its
conventions, and tested against it: simple returns, a risk-free rate and a required return of 0,
252 days a year. ``docs/backtesting.md`` has a table of them. What a function needs and does not
get is the reason that its ``Figure`` has in place of a number; a deviation or a drawdown that is
zero but for rounding counts as zero.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from algo_panda.replay.figures import Figure, no_figure, too_few

Floats = NDArray[np.float64]

DAYS_PER_YEAR: Final = 252
LEAST_CLOSES: Final = 2
"""Daily returns that a drawdown of closes needs: one says nothing of what lies between."""
LEAST_DAYS: Final = 20
"""Daily returns that an annual figure or a ratio needs: about a month."""
_ROUNDING = 1e-12


class RuinError(ValueError):
    """Equity was used up: from there on, there are no returns."""


def daily_returns(equity: Sequence[float]) -> Floats:
    """``equity[n] / equity[n-1] - 1``.

    Args:
        equity: at the beginning, and at the close of each day.

    Raises:
        RuinError: equity is not above 0 at one of them.
    """
    closes = np.array(equity, np.float64)
    if closes.size and closes.min() <= 0:
        raise RuinError(f"equity is used up on day {int(np.argmax(closes <= 0))}")
    return closes[1:] / closes[:-1] - 1.0


def total_return(returns: Floats) -> Figure[float]:
    """``prod(1 + r) - 1`` (empyrical ``cum_returns_final``)."""
    why = too_few(len(returns), 1, "daily return")
    return no_figure(why) if why else Figure(_growth(returns) - 1.0)


def annual_return(returns: Floats, *, days_per_year: int = DAYS_PER_YEAR) -> Figure[float]:
    """Compound annual growth rate, ``prod(1 + r) ** (days_per_year / n) - 1``.

    (empyrical ``annual_return``, ``cagr``.)
    """
    why = too_few(len(returns), LEAST_DAYS, "daily return")
    if why:
        return no_figure(why)
    years = len(returns) / days_per_year
    try:
        return Figure(_growth(returns) ** (1.0 / years) - 1.0)
    except OverflowError:
        return no_figure("too large for a number")


def annual_volatility(returns: Floats, *, days_per_year: int = DAYS_PER_YEAR) -> Figure[float]:
    """Sample deviation times ``sqrt(days_per_year)``: ``ddof=1`` (empyrical likewise)."""
    why = too_few(len(returns), LEAST_DAYS, "daily return")
    return no_figure(why) if why else Figure(_deviation(returns) * math.sqrt(days_per_year))


def sharpe_ratio(returns: Floats, *, days_per_year: int = DAYS_PER_YEAR) -> Figure[float]:
    """``mean(r) / std(r, ddof=1) * sqrt(days_per_year)``, risk-free rate 0.

    W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management, 1994 (empyrical likewise).
    """
    why = too_few(len(returns), LEAST_DAYS, "daily return")
    if why:
        return no_figure(why)
    deviation = _deviation(returns)
    if not deviation:
        return no_figure("all daily returns are the same")
    return Figure(float(returns.mean()) / deviation * math.sqrt(days_per_year))


def sortino_ratio(returns: Floats, *, days_per_year: int = DAYS_PER_YEAR) -> Figure[float]:
    """``mean(r) * days_per_year`` over ``sqrt(mean(min(r, 0) ** 2) * days_per_year)``.

    The mean of the downside is over all days, those without a loss counting 0: F. A. Sortino and
    R. van der Meer, "Downside Risk", Journal of Portfolio Management, 1991 (empyrical likewise).
    """
    why = too_few(len(returns), LEAST_DAYS, "daily return")
    if why:
        return no_figure(why)
    downside = math.sqrt(float(np.mean(np.square(np.minimum(returns, 0.0)))))
    if downside <= _ROUNDING:
        return no_figure("no day with a loss")
    return Figure(float(returns.mean()) / downside * math.sqrt(days_per_year))


def calmar_ratio(returns: Floats, *, days_per_year: int = DAYS_PER_YEAR) -> Figure[float]:
    """Annual return over the size of the maximum drawdown, both of all days.

    T. W. Young, "Calmar Ratio: A Smoother Tool", Futures, 1991, takes 36 months; empyrical, all.
    """
    growth = annual_return(returns, days_per_year=days_per_year)
    deepest = max_drawdown(returns)
    if growth.value is None or deepest.value is None:
        return growth
    if not deepest.value:
        return no_figure("no drawdown")
    return Figure(growth.value / -deepest.value)


def max_drawdown(returns: Floats) -> Figure[float]:
    """The least of ``drawdowns``; never above 0 (empyrical likewise)."""
    why = too_few(len(returns), LEAST_CLOSES, "daily return")
    return no_figure(why) if why else Figure(float(drawdowns(returns).min()))


def max_drawdown_duration(returns: Floats) -> Figure[float]:
    """Most days from a high to the first close that is at it again, or else to the last close.

    It is the longest drawdown, which need not be the deepest (as in the library backtesting.py,
    which counts calendar days; here days are those with returns, 252 a year).
    """
    why = too_few(len(returns), LEAST_CLOSES, "daily return")
    if why:
        return no_figure(why)
    end = len(returns)
    highs = np.concatenate(([0], np.flatnonzero(drawdowns(returns) == 0) + 1, [end]))
    apart = np.diff(highs)
    apart[:-1][apart[:-1] == 1] = 0  # a high the day after a high
    return Figure(float(apart.max()))


def value_at_risk(returns: Floats, *, cutoff: float) -> Figure[float]:
    """Historical value at risk: the ``cutoff`` quantile of returns, linearly interpolated.

    Negative where it is a loss, as in empyrical (``np.percentile(returns, 100 * cutoff)``). Needs
    so many days that one in them is expected to be worse.

    Args:
        returns: daily returns.
        cutoff: 0.05 for VaR 95, 0.01 for VaR 99.
    """
    why = too_few(len(returns), round(1 / cutoff), "daily return")
    return no_figure(why) if why else Figure(float(np.quantile(returns, cutoff)))


def drawdowns(returns: Floats) -> Floats:
    """By how much each close is below the highest before it, the beginning included; not above 0.

    ``growth / running maximum - 1`` (empyrical ``drawdown_series``).
    """
    growth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    highest = np.maximum.accumulate(growth)
    fallen = (growth / highest - 1.0)[1:]
    return np.where(fallen < -_ROUNDING, fallen, 0.0)


def _growth(returns: Floats) -> float:
    return float(np.prod(1.0 + returns))


def _deviation(returns: Floats) -> float:
    """The sample standard deviation; 0 where it is nothing but rounding."""
    if float(np.ptp(returns)) <= _ROUNDING:
        return 0.0
    return float(np.std(returns, ddof=1))
