"""Fills every order whole, at the price of the tick that caused it.

A pure function of the order: redelivery and replay give the same executions.
"""

from collections.abc import Sequence

from app.domain.ids import execution_id
from app.domain.trading import ExecutionReport, Order, OrderStatus


class PaperBroker:
    """The venue without a market."""

    def submit(self, order: Order, /) -> Sequence[ExecutionReport]:
        """Accept the order and fill it at its reference price."""
        return (
            _report(order, sequence=1, status=OrderStatus.ACCEPTED, filled=False),
            _report(order, sequence=2, status=OrderStatus.FILLED, filled=True),
        )


def _report(order: Order, *, sequence: int, status: OrderStatus, filled: bool) -> ExecutionReport:
    return ExecutionReport(
        execution_id=execution_id(order.client_order_id, sequence),
        client_order_id=order.client_order_id,
        venue_order_id=f"PAPER-{order.client_order_id}",
        signal_id=order.signal_id,
        account=order.account,
        broker=order.broker,
        strategy_id=order.strategy_id,
        strategy_type=order.strategy_type,
        instrument_token=order.instrument_token,
        side=order.side,
        status=status,
        quantity=order.quantity,
        last_quantity=order.quantity if filled else 0,
        last_price=order.reference_price if filled else None,
        cumulative_quantity=order.quantity if filled else 0,
        reason=None,
        event_time=order.event_time,
    )
