"""A validator that rejects signals above a price."""

from typing import Any

from algo_panda import MarketTick, SignalResult


class PriceCeiling:
    """Answers with True or False; without ``max_price`` every price is valid."""

    def __init__(self, max_price: float | None) -> None:
        self.max_price = max_price

    def validate_signal(self, signal: SignalResult, _market_data: MarketTick) -> bool:
        """Return whether ``signal`` is valid."""
        return signal.price > 0 and (self.max_price is None or signal.price <= self.max_price)

    def validate_configuration(self, parameters: dict[str, Any]) -> bool:
        """Return whether the parameters are valid."""
        return parameters.get("max_price") is None or parameters["max_price"] > 0


def create_validator(parameters: dict[str, Any]) -> PriceCeiling:
    """Make one for a strategy."""
    return PriceCeiling(parameters.get("max_price"))
