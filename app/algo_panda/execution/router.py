"""Sends approved orders to brokers. The last program that can reject an order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from algo_panda.domain.decisions import Decision
from algo_panda.domain.recent_ids import IdSegment, RecentIds, SegmentChanges
from algo_panda.domain.reports import report_of
from algo_panda.domain.routes import RestoredRoutes, RouteRecord
from algo_panda.domain.time_to_live import TimeToLive, id_memory_us
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


class RouterChanges(NamedTuple):
    """What changed between two checkpoints."""

    seen: SegmentChanges
    """Ids of orders."""
    ended: tuple[RouteRecord, ...]
    """Routes of version 1 that no longer apply."""


class OrderRouter:
    """Router of the orders of its accounts: sends each to its broker at most once.

    One router owns all orders of an account, because the account is their key.
    """

    def __init__(
        self,
        *,
        brokers: Mapping[str, Broker],
        trading_state: Callable[[str], TradingState],
        time_to_live: TimeToLive | None = None,
    ) -> None:
        """Start without orders.

        Args:
            brokers: by name.
            trading_state: of an account, asked for every order.
            time_to_live: oldest orders that are sent; None: any, as in a backtest.
        """
        self._brokers = brokers
        self._trading_state = trading_state
        self._time_to_live = time_to_live
        self._seen = RecentIds(id_memory_us(time_to_live))
        self._routes = RestoredRoutes()

    def on_order(
        self,
        order: Order,
        now_us: int | None = None,
        appended_us: int = 0,
        decision: Decision | None = None,
    ) -> Sequence[ExecutionReport | Order | Rejection]:
        """Send ``order`` and return the events known at once; none if it is a redelivery.

        An order for the paper venue is returned itself, to be published to its topic. A rejected
        order gives a rejection, and an execution report that ends it, so that risk no longer
        counts it.

        Args:
            order: the order.
            now_us: the present time, microseconds since the epoch; None: the order's event time,
                as in a backtest.
            appended_us: when the order was appended to its topic; 0 if unknown.
            decision: what is known now, to be recorded with a rejection; None in a backtest.
        """
        now = order.event_time_us if now_us is None else now_us
        if not self._seen.add(order.client_order_id, now) or self._routes.cover(order):
            return ()
        violation = self._gate(order, now, appended_us)
        if violation is not None:
            return (
                Rejection.of_order(order, Stage.ROUTER, violation, decision),
                report_of(
                    order,
                    sequence=1,
                    status=OrderStatus.REJECTED,
                    event_time_us=order.event_time_us,
                    reason=violation.reason,
                    decision=decision,
                ),
            )
        return self._brokers[order.broker].submit(order)

    def changes(self) -> RouterChanges:
        """Return what changed since the last call."""
        return RouterChanges(self._seen.changes(), self._routes.ended())

    def restore(self, seen: Iterable[IdSegment], routes: Iterable[RouteRecord] = ()) -> None:
        """Continue from the state of all earlier checkpoints; call before the first order."""
        self._seen.restore(seen)
        self._routes.restore(routes)

    def _gate(self, order: Order, now_us: int, appended_us: int) -> Violation | None:
        if self._time_to_live is not None:
            problem = self._time_to_live.problem(
                broker=order.broker,
                event_us=order.event_time_us,
                appended_us=appended_us,
                now_us=now_us,
            )
            if problem is not None:
                return Violation(
                    code=RejectionCode.EXPIRED, reason=f"the order has expired: {problem}"
                )
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
