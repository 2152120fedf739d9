"""Fills every order whole, at the price of the tick that caused it.

A pure function of the order: redelivery and replay give the same executions.
"""

from collections.abc import Sequence

from app.domain.trading import ExecutionReport, Order, OrderStatus


class PaperBroker:
    """The venue without a market."""

    def submit(self, order: Order, /) -> Sequence[ExecutionReport]:
        """Accept the order and fill it at its reference price."""
        venue_order_id = f"PAPER-{order.client_order_id}"
        return (
            ExecutionReport.of_order(
                order,
                sequence=1,
                status=OrderStatus.ACCEPTED,
                event_time=order.event_time,
                venue_order_id=venue_order_id,
            ),
            ExecutionReport.of_order(
                order,
                sequence=2,
                status=OrderStatus.FILLED,
                event_time=order.event_time,
                venue_order_id=venue_order_id,
                last_quantity=order.quantity,
                last_price=order.reference_price,
                cumulative_quantity=order.quantity,
            ),
        )
