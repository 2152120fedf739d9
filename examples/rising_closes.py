"""A strategy on bars: buys after so many bars in a row that each closed higher."""

from collections.abc import Mapping, Sequence
from typing import Any

from algo_panda import MarketTick, SignalResult


class RisingCloses:
    """Counts rises in ``on_bar``; acts on the tick that closed the bar."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.rises = 0
        self.last_close: Any = None
        self.is_due = False

    def on_bar(self, bar: Mapping[str, Any]) -> None:
        """Receive a closed bar, before ``process_tick`` of the tick that closed it."""
        rose = self.last_close is not None and bar["close"] > self.last_close
        self.rises = self.rises + 1 if rose else 0
        self.last_close = bar["close"]
        self.is_due = self.rises >= self.wanted

    def process_tick(self, tick: MarketTick, _history: Sequence[MarketTick]) -> SignalResult | None:
        """Return a signal, or None."""
        if not self.is_due:
            return None
        self.is_due = False
        return SignalResult("BUY", 80, 1, tick.last_price, f"{self.rises} higher closes")


def create_processor(parameters: dict[str, Any]) -> RisingCloses:
    """Make one for an instrument."""
    return RisingCloses(parameters.get("rises", 3))
