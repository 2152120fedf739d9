"""Statistics of closed trades, by their standard names and formulas.

A trade has won if its net profit, after fees, is above 0, and has lost if it is below.
"""

from decimal import Decimal
from typing import Final

import numpy as np

from algo_panda.replay.closings import Daily, equity_of
from algo_panda.replay.exact import exactly, rounded
from algo_panda.replay.figures import Figure, no_figure, too_few
from algo_panda.replay.standing import TradeTotals

LEAST_TRADES: Final = 30
"""Trades that a rate or a mean of them needs: with fewer, a win rate is uncertain by more than
nine points (its standard error is ``sqrt(p * (1 - p) / n)``)."""


def win_rate(trades: TradeTotals) -> Figure[float]:
    """Trades that won over all trades."""
    why = too_few(trades.count, LEAST_TRADES, "trade")
    return no_figure(why) if why else Figure(trades.won / trades.count)


@exactly
def expectancy(trades: TradeTotals) -> Figure[Decimal]:
    """Mean net profit of a trade, in money, to eight decimals.

    ``win rate * mean profit - loss rate * mean loss``: V. K. Tharp, "Trade Your Way to Financial
    Freedom", 1998.
    """
    why = too_few(trades.count, LEAST_TRADES, "trade")
    if why:
        return no_figure(why)
    return Figure(rounded((trades.profit - trades.loss) / trades.count))


@exactly
def profit_factor(trades: TradeTotals) -> Figure[float]:
    """Sum of the net profits over the sum of the net losses.

    TradeStation, Strategy Performance Report: "gross profit by gross loss", commissions included.
    """
    why = too_few(trades.count, LEAST_TRADES, "trade")
    if why:
        return no_figure(why)
    if not trades.loss:
        return no_figure("no trade with a loss")
    return Figure(float(trades.profit / trades.loss))


def average_holding_time(trades: TradeTotals) -> Figure[float]:
    """Mean time from a trade's entry to its exit, seconds."""
    why = too_few(trades.count, 1, "closed trade")
    return no_figure(why) if why else Figure(trades.holding_us / trades.count / 1e6)


def turnover(daily: Daily, capital: Decimal) -> Figure[float]:
    """Mean over the days of the value of purchases and sales over the equity at the close.

    (The library pyfolio, ``get_turnover`` with ``denominator='portfolio_value'``; its mean.)
    """
    equity = np.array(equity_of(daily, capital), np.float64)[1:]
    why = too_few(len(equity), 1, "day")
    if why:
        return no_figure(why)
    if equity.min() <= 0:
        return no_figure("equity is used up")
    return Figure(float(np.mean(daily.traded / equity)))
