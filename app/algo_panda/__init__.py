"""algo-panda: trading strategies on a stream.

What is named here is what strategies, validators and readers of signals are written with, and
stays as it is from version to version.
"""

from typing import TYPE_CHECKING

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.protocols import StrategyProcessor, StrategyValidator
from algo_panda.domain.sharing import IndicatorPool, SharedIndicator
from algo_panda.domain.signals import SignalResult, SignalType, TradingSignal
from algo_panda.domain.trading import RejectionCode, Violation

if TYPE_CHECKING:
    from algo_panda.consumer import SignalConsumer
else:

    def __getattr__(name: str) -> object:
        # Made when asked for, so that strategies and workers do not load it with this package.
        if name == "SignalConsumer":
            from algo_panda.consumer import SignalConsumer

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
