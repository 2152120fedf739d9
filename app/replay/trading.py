"""From a signal to its executions, by the parts that do it live, in one process."""

from collections.abc import Container, Iterator

from app.brokers.paper.venue import PaperVenue
from app.domain.market import MarketTick
from app.domain.signals import TradingSignal
from app.domain.trading import ExecutionReport, Forwarded, Order, Rejection
from app.execution.router import OrderRouter
from app.risk.engine import Approved, Rejected, RiskEngine

Event = Order | ExecutionReport | Rejection


class Trading:
    """Risk, router and paper venue, one behind the other."""

    def __init__(self, *, risk: RiskEngine, router: OrderRouter, venue: PaperVenue) -> None:
        self._risk = risk
        self._router = router
        self._venue = venue

    @property
    def instruments(self) -> Container[int]:
        """Those whose ticks open orders wait for; always as things are now."""
        return self._venue.instruments

    @property
    def open_orders(self) -> int:
        """How many orders wait."""
        return self._venue.open_orders

    def on_tick(self, offset: int, tick: MarketTick) -> Iterator[ExecutionReport]:
        """What a tick does to open orders."""
        return map(self._booked, self._venue.on_tick(offset, tick))

    def on_signal(self, signal: TradingSignal) -> Iterator[Event]:
        """What becomes of ``signal`` at once, in the order in which it happens."""
        for verdict in self._risk.on_signal(signal):
            match verdict:
                case Approved(order=order):
                    yield order
                    yield from self._route(order)
                case Rejected(rejection=rejection):
                    yield rejection

    def _route(self, order: Order) -> Iterator[ExecutionReport | Rejection]:
        for event in self._router.on_order(order):
            match event:
                case Forwarded(order=forwarded):
                    yield from map(self._booked, self._venue.on_order(forwarded))
                case ExecutionReport():
                    yield self._booked(event)
                case Rejection():
                    yield event

    def _booked(self, report: ExecutionReport) -> ExecutionReport:
        self._risk.on_execution(report)
        return report
