"""algo-panda: trading strategies on a stream.

The names exported here are those that strategies, validators and readers of signals need. They
are stable from version to version. Each is imported when it is first used.
"""

from algo_panda._paths import TrustedImports

TYPE_CHECKING = False
with TrustedImports():
    from algo_panda import _compiled

    _compiled.install()

if TYPE_CHECKING:
    from algo_panda.consumer import SignalConsumer
    from algo_panda.domain.config import ExecutionContext, StrategyConfig
    from algo_panda.domain.executor import StrategyExecutor
    from algo_panda.domain.factory import StrategyFactory
    from algo_panda.domain.inference import InferenceRequest
    from algo_panda.domain.market import Bar, MarketTick
    from algo_panda.domain.protocols import StrategyProcessor, StrategyValidator
    from algo_panda.domain.sharing import IndicatorPool, SharedIndicator
    from algo_panda.domain.signals import SignalResult, SignalType, TradingSignal
    from algo_panda.domain.trading import RejectionCode, Violation
else:
    _MODULES = {
        "Bar": "domain.market",
        "ExecutionContext": "domain.config",
        "IndicatorPool": "domain.sharing",
        "InferenceRequest": "domain.inference",
        "MarketTick": "domain.market",
        "RejectionCode": "domain.trading",
        "SharedIndicator": "domain.sharing",
        "SignalConsumer": "consumer",
        "SignalResult": "domain.signals",
        "SignalType": "domain.signals",
        "StrategyConfig": "domain.config",
        "StrategyExecutor": "domain.executor",
        "StrategyFactory": "domain.factory",
        "StrategyProcessor": "domain.protocols",
        "StrategyValidator": "domain.protocols",
        "TradingSignal": "domain.signals",
        "Violation": "domain.trading",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with TrustedImports():
            from importlib import import_module
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


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
    "StrategyExecutor",
    "StrategyFactory",
    "StrategyProcessor",
    "StrategyValidator",
    "TradingSignal",
    "Violation",
]
