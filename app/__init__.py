"""algo-panda: trading strategies on a stream.

What is named here is what strategies, validators and readers of signals are written with, and
stays as it is from version to version.
"""

from typing import TYPE_CHECKING

from app.domain.config import ExecutionContext, StrategyConfig
from app.domain.inference import InferenceRequest
from app.domain.market import Bar, MarketTick
from app.domain.protocols import StrategyProcessor, StrategyValidator
from app.domain.sharing import IndicatorPool, SharedIndicator
from app.domain.signals import SignalResult, SignalType, TradingSignal
from app.domain.trading import RejectionCode, Violation

if TYPE_CHECKING:
    from app.consumer import SignalConsumer
else:

    def __getattr__(name: str) -> object:
        # Made when asked for, so that strategies and workers do not load it with this package.
        if name == "SignalConsumer":
            from app.consumer import SignalConsumer

            return SignalConsumer
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Bar",
    "ExecutionContext",
    "IndicatorPool",
    "InferenceRequest",
    "MarketTick",
    "RejectionCode",
    "SharedIndicator",
    "SignalConsumer",
    "SignalResult",
    "SignalType",
    "StrategyConfig",
    "StrategyProcessor",
    "StrategyValidator",
    "TradingSignal",
    "Violation",
]
