"""Approved orders in; executions out. The last place that can refuse an order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.domain.trading import (
    ExecutionReport,
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    Stage,
    TradingState,
    Violation,
)
from app.execution.ports import Broker


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRecord:
    """How far the orders of one strategy on one instrument of one account have been routed."""

    account: str
    strategy_id: str
    instrument_token: int
    tick_topic_id: str
    tick_offset: int


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
        self._routes: dict[tuple[str, str, int], RouteRecord] = {}
        self._changed: set[tuple[str, str, int]] = set()

    def on_order(self, order: Order) -> Sequence[ExecutionReport | Rejection]:
        """What became of ``order``: nothing where it is a redelivery.

        An order that is refused here gives a rejection for people to read, and an execution
        report that ends it, so that risk gives back what it had reserved.
        """
        key = (order.account, order.strategy_id, order.instrument_token)
        route = self._routes.get(key)
        if (
            route is not None
            and route.tick_topic_id == order.tick_topic_id
            and order.tick_offset <= route.tick_offset
        ):
            return ()
        self._routes[key] = RouteRecord(
            account=order.account,
            strategy_id=order.strategy_id,
            instrument_token=order.instrument_token,
            tick_topic_id=order.tick_topic_id,
            tick_offset=order.tick_offset,
        )
        self._changed.add(key)
        violation = self._gate(order)
        if violation is not None:
            return (
                Rejection.of_order(order, Stage.ROUTER, violation),
                ExecutionReport.of_order(
                    order,
                    sequence=1,
                    status=OrderStatus.REJECTED,
                    event_time=order.event_time,
                    reason=violation.reason,
                ),
            )
        return self._brokers[order.broker].submit(order)

    def changed_records(self) -> Iterable[RouteRecord]:
        """Every route that moved since the last call."""
        changed, self._changed = self._changed, set()
        return [self._routes[key] for key in sorted(changed)]

    def restore(self, records: Iterable[RouteRecord]) -> None:
        """Go on from ``records``."""
        for record in records:
            key = (record.account, record.strategy_id, record.instrument_token)
            self._routes[key] = record

    def _gate(self, order: Order) -> Violation | None:
        state = self._trading_state(order.account)
        if state is TradingState.HALTED:
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
