"""What a venue looks like from inside."""

from collections.abc import Sequence
from typing import Protocol

from app.domain.trading import ExecutionReport, Forwarded, Order


class Broker(Protocol):
    """Takes orders and says what became of them."""

    def submit(self, order: Order, /) -> Sequence[ExecutionReport | Forwarded]:
        """Send ``order`` and give the events known at once, oldest first.

        A venue of our own, which reads orders from a topic, is sent them as ``Forwarded``.

        The router has written down its intent before it calls this.
        """
        ...
