"""From a signal to its executions, by the parts that do it live, in one process."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.execution.router import OrderRouter
from algo_panda.replay.spoken import Outcome
from algo_panda.risk.engine import RiskEngine

Event = Order | ExecutionReport | Rejection

_ORDER: Final = Order
_REPORT: Final = ExecutionReport
_SIGNAL: Final = TradingSignal


class Traded(NamedTuple):
    """What came of some ticks and signals."""

    events: Sequence[Event]
    """In the order in which they happened."""
    fills: dict[int, list[ExecutionReport]]
    """Those among them that are fills, by the partition of their ticks."""


class Trading:
    """Risk, router and paper venue, one behind the other."""

    def __init__(self, *, risk: RiskEngine, router: OrderRouter, venue: PaperVenue) -> None:
        self._risk = risk
        self._router = router
        self._venue = venue

    @property
    def open_orders(self) -> int:
        """How many orders wait."""
        return self._venue.open_orders

    def take(
        self,
        *,
        ticks: Sequence[MarketTick],
        offsets: Sequence[int],
        partitions: Sequence[int],
        said: Sequence[Sequence[Outcome]],
        order: Sequence[int] | None,
    ) -> Traded:
        """Tick by tick: first it fills orders of before, then strategies have their say.

        Args:
            ticks: of one partition or more.
            offsets: of each of them.
            partitions: of each of them.
            said: at each of them.
            order: in which they are taken, as indices; None: as they are.
        """
        events: list[Event] = []
        fills: dict[int, list[ExecutionReport]] = {}
        waiting, venue = self._venue.instruments, self._venue
        for index in order or range(len(ticks)):
            tick = ticks[index]
            if tick[0] in waiting:
                for report in venue.on_tick(offsets[index], tick):
                    self._book(report, events)
                    if report.last_quantity:
                        fills.setdefault(partitions[index], []).append(report)
            for outcome in said[index]:
                if isinstance(outcome, _SIGNAL):
                    if outcome.brokers:
                        self._trade(outcome, events)
                else:
                    events.append(outcome)
        return Traded(events, fills)

    def _trade(self, signal: TradingSignal, events: list[Event]) -> None:
        """What becomes of ``signal`` at once, in the order in which it happens."""
        for verdict in self._risk.on_signal(signal):
            events.append(verdict)
            if type(verdict) is _ORDER:
                self._route(verdict, events)

    def _route(self, order: Order, events: list[Event]) -> None:
        """Nothing fills it in here: the venue waits for the next tick."""
        for event in self._router.on_order(order):
            if type(event) is _ORDER:
                for report in self._venue.on_order(event):
                    self._book(report, events)
            elif type(event) is _REPORT:
                self._book(event, events)
            else:
                events.append(event)

    def _book(self, report: ExecutionReport, events: list[Event]) -> None:
        self._risk.on_execution(report)
        events.append(report)
