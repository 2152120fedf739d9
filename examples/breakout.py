"""A strategy that buys when the price is above all of the last ``lookback`` ticks."""

from collections.abc import Sequence
from typing import Any

from algo_panda import MarketTick, SignalResult


class Breakout:
    """Keeps nothing itself: the runner hands it the past ticks that it asks for."""

    def __init__(self, lookback: int) -> None:
        self.history_size = lookback  # how many past ticks process_tick receives
        self.warmup_ticks = 0  # after a restart it needs none

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> SignalResult | None:
        """Return a signal, or None."""
        if len(history) < self.history_size:
            return None
        highest = max(past.last_price for past in history)
        if tick.last_price <= highest:
            return None
        return SignalResult("BUY", 0.6, 1, tick.last_price, f"above {highest}")


def create_processor(parameters: dict[str, Any]) -> Breakout:
    """Make one for an instrument."""
    return Breakout(parameters.get("lookback", 20))
