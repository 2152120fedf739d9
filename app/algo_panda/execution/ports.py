"""What a venue looks like from inside."""

from collections.abc import Sequence
from typing import Protocol

from algo_panda.domain.trading import ExecutionReport, Order


class Broker(Protocol):
    """Takes orders and says what became of them."""

    def submit(self, order: Order, /) -> Sequence[ExecutionReport | Order]:
        """Send ``order`` and give the events known at once, oldest first.

        A venue of our own reads orders from a topic: an order that comes back goes on to it.

        The router has written down its intent before it calls this.
        """
        ...
