"""The router's side of the paper venue: orders go on to the agent that sees ticks."""

from collections.abc import Sequence

from algo_panda.domain.trading import Order


class PaperBroker:
    """Sends every order on to the paper venue."""

    def submit(self, order: Order, /) -> Sequence[Order]:
        """Send it on; what becomes of it, ``PaperVenue`` says."""
        return (order,)
