"""Numbers that say how a run went, each under a name that ``--rank-by`` takes.

Another one is another entry of ``METRICS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter

from algo_panda.replay.results import Results
from algo_panda.replay.tally import Tally

Value = Decimal | float | None
"""None, never NaN: there is no such number for this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run leaves to be judged by."""

    results: Results
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One of the numbers."""

    of: Callable[[Measured], Value]
    is_more_better: bool = True
    is_sum: bool = True
    """Whether that of several periods is the sum of theirs."""
    is_shown: bool = False
    """Whether tables for people have it; files for programs have all."""


def _book(name: str) -> Callable[[Measured], Value]:
    """A number in the books of all strategies together."""
    get = attrgetter(name)
    return lambda run: get(run.results.whole.standing)


def _statistic(name: str) -> Callable[[Measured], Value]:
    """A statistic of all strategies together; None where there is too little to tell."""
    get = attrgetter(name)
    return lambda run: get(run.results.whole.statistics).value


def _orders(run: Measured) -> Value:
    return sum(one.orders for one in run.tally.strategies.values())


def _signals(run: Measured) -> Value:
    return sum(one.signals.total() for one in run.tally.strategies.values())


def _ratio(name: str, *, is_shown: bool = False) -> Metric:
    return Metric(of=_statistic(name), is_sum=False, is_shown=is_shown)


METRICS: Mapping[str, Metric] = {
    "net_profit": Metric(of=_book("net_profit"), is_shown=True),
    "gross_profit": Metric(of=_book("gross_profit")),
    "fees": Metric(of=_book("money.fees"), is_more_better=False, is_shown=True),
    "slippage": Metric(of=_book("money.slippage"), is_more_better=False),
    "notional": Metric(of=_book("money.traded")),
    "total_return": _ratio("total_return"),
    "annual_return": _ratio("annual_return"),
    "sharpe_ratio": _ratio("sharpe_ratio", is_shown=True),
    "sortino_ratio": _ratio("sortino_ratio"),
    "calmar_ratio": _ratio("calmar_ratio"),
    "max_drawdown": _ratio("max_drawdown", is_shown=True),
    "expectancy": _ratio("expectancy"),
    "profit_factor": _ratio("profit_factor"),
    "win_rate": _ratio("win_rate"),
    "trades": Metric(of=_book("trades.count")),
    "orders": Metric(of=_orders),
    "fills": Metric(of=_book("money.fills"), is_shown=True),
    "signals": Metric(of=_signals),
}
"""By name, in the order in which they are shown; what they mean is in docs/backtesting.md."""

DEFAULT_METRIC = "net_profit"


def measured(run: Measured) -> dict[str, Value]:
    """All metrics of a run."""
    return {name: metric.of(run) for name, metric in METRICS.items()}
