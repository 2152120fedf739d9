"""Interface of brokers."""

from collections.abc import Sequence
from typing import Protocol

from algo_panda.domain.trading import ExecutionReport, Order


class Broker(Protocol):
    """A broker: takes orders and returns their events."""

    def submit(self, order: Order, /) -> Sequence[ExecutionReport | Order]:
        """Send ``order`` and return the events that are known at once, oldest first.

        A returned ``Order`` is published to the topic of the paper venue.
        """
        ...
