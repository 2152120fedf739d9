"""algo-panda: trading strategies on a stream."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.consumer import SignalConsumer as SignalConsumer
else:

    def __getattr__(name: str) -> object:
        # Made when asked for, so that strategies and workers do not load it with this package.
        if name == "SignalConsumer":
            from app.consumer import SignalConsumer

            return SignalConsumer
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["SignalConsumer"]
