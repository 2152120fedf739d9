"""Numbers that say how a run went, each under a name that ``--rank-by`` takes.

Another one is another entry of ``METRICS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.replay.replay import ReplayResult
from app.replay.tally import Tally

Value = Decimal | float | None
"""None, never NaN: there is no such number for this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run leaves to be judged by."""

    result: ReplayResult
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One of the numbers."""

    of: Callable[[Measured], Value]
    meaning: str
    """With its unit."""
    is_more_better: bool = True
    is_sum: bool = True
    """Whether that of several periods is the sum of theirs."""


def _profit(run: Measured) -> Value:
    prices = run.tally.prices
    return sum((one.profit(prices) for one in run.tally.strategies.values()), Decimal(0))


def _notional(run: Measured) -> Value:
    return sum((one.notional for one in run.tally.strategies.values()), Decimal(0))


def _orders(run: Measured) -> Value:
    return sum(one.orders for one in run.tally.strategies.values())


def _fills(run: Measured) -> Value:
    return sum(one.fills for one in run.tally.strategies.values())


def _signals(run: Measured) -> Value:
    return sum(one.signals.total() for one in run.tally.strategies.values())


METRICS: Mapping[str, Metric] = {
    "profit": Metric(
        of=_profit,
        meaning="profit and loss of all strategies, open positions at their last prices, "
        "in the instruments' currency",
    ),
    "notional": Metric(of=_notional, meaning="quantity times price of all fills"),
    "orders": Metric(of=_orders, meaning="orders that risk let pass"),
    "fills": Metric(of=_fills, meaning="fills"),
    "signals": Metric(of=_signals, meaning="signals of all kinds"),
}
"""By name, in the order in which they are shown."""

DEFAULT_METRIC = "profit"


def measured(run: Measured) -> dict[str, Value]:
    """All metrics of a run."""
    return {name: metric.of(run) for name, metric in METRICS.items()}
