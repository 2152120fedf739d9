"""What a venue looks like from inside."""

from collections.abc import Sequence
from typing import Protocol

from app.domain.trading import ExecutionReport, Order


class Broker(Protocol):
    """Takes orders and says what became of them."""

    def submit(self, order: Order, /) -> Sequence[ExecutionReport]:
        """Send ``order`` and give the events known at once, oldest first.

        The router has written down its intent before it calls this.
        """
        ...
