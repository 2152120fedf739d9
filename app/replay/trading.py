"""From a signal to its executions, by the parts that do it live, in one process."""

from collections.abc import Iterator

from app.domain.signals import TradingSignal
from app.domain.trading import ExecutionReport, Order, Rejection
from app.execution.router import OrderRouter
from app.risk.engine import Approved, Rejected, RiskEngine

Event = Order | ExecutionReport | Rejection


class Trading:
    """Risk and router, one behind the other."""

    def __init__(self, *, risk: RiskEngine, router: OrderRouter) -> None:
        self._risk = risk
        self._router = router

    def on_signal(self, signal: TradingSignal) -> Iterator[Event]:
        """What becomes of ``signal``, in the order in which it happens."""
        for verdict in self._risk.on_signal(signal):
            match verdict:
                case Approved(order=order):
                    yield order
                    yield from self._route(order)
                case Rejected(rejection=rejection):
                    yield rejection

    def _route(self, order: Order) -> Iterator[Event]:
        for event in self._router.on_order(order):
            if isinstance(event, ExecutionReport):
                self._risk.on_execution(event)
            yield event
