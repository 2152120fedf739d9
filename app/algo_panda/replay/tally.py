"""Counts what happens in a replay, by strategy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter, itemgetter

import numpy as np

from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import from_raw
from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.replay.ticks import TickColumns, Unusable
from algo_panda.replay.trading import Event

_TOKEN = MarketTick._fields.index("instrument_token")
_TIME = MarketTick._fields.index("event_time_us")
_PRICE = MarketTick._fields.index("price_raw")
_KIND = itemgetter(
    *map(TradingSignal._fields.index, ("strategy_id", "strategy_type", "signal_type"))
)
_WHOSE = attrgetter("strategy_id", "strategy_type")


@dataclass(slots=True)
class StrategyTally:
    """Of one strategy."""

    strategy_type: str
    signals: Counter[SignalType] = field(default_factory=Counter[SignalType])
    orders: int = 0
    fills: int = 0


class Tally:
    """A ``ReplayListener``."""

    def __init__(self) -> None:
        self.strategies: dict[str, StrategyTally] = {}
        """By strategy id, in the order in which they first said something."""
        self.rejections: Counter[str] = Counter()
        """By code."""
        self.unusable: Counter[str] = Counter()
        """Records that are no ticks, by code."""
        self.first_us: int | None = None
        """Earliest event time, microseconds since the epoch."""
        self.last_us: int | None = None
        """Latest event time."""
        self._prices: dict[int, int] = {}

    @property
    def prices(self) -> dict[int, Decimal]:
        """The last price of every instrument."""
        return {token: from_raw(raw) for token, raw in self._prices.items()}

    @property
    def instruments(self) -> int:
        """How many there were ticks of."""
        return len(self._prices)

    def ticks(self, columns: TickColumns, /) -> None:
        """Take note of times and last prices."""
        times = columns.fields[_TIME]
        first, last = int(times.min()), int(times.max())
        self.first_us = first if self.first_us is None else min(self.first_us, first)
        self.last_us = last if self.last_us is None else max(self.last_us, last)
        # The last tick of every instrument is the first one seen from behind.
        tokens, at = np.unique(columns.fields[_TOKEN][::-1], return_index=True)
        prices = columns.fields[_PRICE][::-1][at]
        self._prices.update(zip(tokens.tolist(), prices.tolist(), strict=True))

    def unusable_record(self, record: Unusable, /) -> None:
        """Count a record."""
        self.unusable[record.code] += 1

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        """Count them."""
        for (strategy_id, strategy_type, kind), count in Counter(map(_KIND, signals)).items():
            self._named(strategy_id, strategy_type).signals[kind] += count

    def events(self, events: Sequence[Event], /) -> None:
        """Count orders, fills and refusals."""
        orders = [event for event in events if type(event) is Order]
        for (strategy_id, strategy_type), count in Counter(map(_WHOSE, orders)).items():
            self._named(strategy_id, strategy_type).orders += count
        reports = [event for event in events if type(event) is ExecutionReport]
        fills = [report for report in reports if report.last_quantity]
        for (strategy_id, strategy_type), count in Counter(map(_WHOSE, fills)).items():
            self._named(strategy_id, strategy_type).fills += count
        if len(orders) + len(reports) < len(events):
            refused = [event for event in events if isinstance(event, Rejection)]
            self.rejections.update(rejection.code.value for rejection in refused)

    def _named(self, strategy_id: str, strategy_type: str) -> StrategyTally:
        found = self.strategies.get(strategy_id)
        if found is None:
            found = self.strategies[strategy_id] = StrategyTally(strategy_type)
        return found
