"""Approved orders in; executions out. The last place that can refuse an order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from algo_panda.domain.reports import report_of
from algo_panda.domain.routes import RouteRecord, Routes
from algo_panda.domain.trading import (
    ExecutionReport,
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    Stage,
    TradingState,
    Violation,
)
from algo_panda.execution.ports import Broker

_HALTED: Final = TradingState.HALTED


class OrderRouter:
    """Sends the orders of its accounts to their brokers, each at most once.

    One router owns an account's orders, since they have the account as their key.
    """

    def __init__(
        self,
        *,
        brokers: Mapping[str, Broker],
        trading_state: Callable[[str], TradingState],
    ) -> None:
        self._brokers = brokers
        self._trading_state = trading_state
        self._routes = Routes()

    def on_order(self, order: Order) -> Sequence[ExecutionReport | Order | Rejection]:
        """What became of ``order``: nothing where it is a redelivery.

        The order itself comes back where it goes on to a venue of our own, on a topic of its own.
        An order that is refused here gives a rejection for people to read, and an execution
        report that ends it, so that risk gives back what it had reserved.
        """
        if not self._routes.is_new(order):
            return ()
        violation = self._gate(order)
        if violation is not None:
            return (
                Rejection.of_order(order, Stage.ROUTER, violation),
                report_of(
                    order,
                    sequence=1,
                    status=OrderStatus.REJECTED,
                    event_time_us=order.event_time_us,
                    reason=violation.reason,
                ),
            )
        return self._brokers[order.broker].submit(order)

    def changed_records(self) -> Sequence[RouteRecord]:
        """Every route that moved since the last call."""
        return self._routes.changed_records()

    def restore(self, records: Iterable[RouteRecord]) -> None:
        """Go on from ``records``."""
        self._routes.restore(records)

    def _gate(self, order: Order) -> Violation | None:
        state = self._trading_state(order.account)
        if state is _HALTED:
            return Violation(
                code=RejectionCode.TRADING_HALTED,
                reason=f"trading on account {order.account} is {state}",
            )
        if order.broker not in self._brokers:
            known = ", ".join(sorted(self._brokers))
            return Violation(
                code=RejectionCode.BROKER_UNAVAILABLE,
                reason=f"broker {order.broker!r} is not available here; available: {known}",
            )
        return None
