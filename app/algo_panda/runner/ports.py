"""What the runner needs of the outside: somebody to tell how strategies fare."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import Irregularity
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.status import StrategyStatus
from algo_panda.domain.trading import Rejection


class RunnerTelemetry(Protocol):
    """Hears what happens, in the words of the domain."""

    def strategy_registered(self, config: StrategyConfig, /, *, has_model: bool) -> None:
        """A strategy takes ticks from now on."""

    def model_loaded(self, config: StrategyConfig, /, *, loaded: bool) -> None:
        """``load_model`` was called for a strategy, and worked or not."""

    def tick_timer(self, strategy_type: str, /) -> Callable[[float], None] | None:
        """What hears how many seconds a strategy of a type took for a tick; None: nobody."""
        ...

    def signal_emitted(self, signal: TradingSignal, /) -> None:
        """A signal passed its validator."""

    def signal_refused(self, rejection: Rejection, /) -> None:
        """A signal did not."""

    def strategy_failed(self, strategy_type: str, /) -> None:
        """A strategy raised on a tick."""

    def late_tick(self, strategy_type: str, /) -> None:
        """A tick came after the bar it belongs to was closed."""

    def irregular_tick(self, kind: Irregularity, /, *, dropped: bool) -> None:
        """A tick repeats the one before it, or is older than one before it."""

    def strategy_cold(self, strategy_type: str, /) -> None:
        """A strategy was rebuilt on an instrument from fewer ticks than it needs."""

    def snapshot_failed(self, strategy_type: str, /) -> None:
        """A strategy has no snapshot in a checkpoint, because it failed or is too large."""


class TickTracer(Protocol):
    """Starts a span around a strategy's work on one tick."""

    def process_tick(
        self, config: StrategyConfig, instrument_token: int, offset: int, /
    ) -> AbstractContextManager[object]:
        """The span; an exception that leaves it is recorded on it."""
        ...


class StatusSink(Protocol):
    """Keeps, for people to read, how strategies fare. Must not block and must not raise."""

    def report(self, status: StrategyStatus, /) -> None:
        """Take the newest status of a strategy, or of a strategy on an instrument."""


class SilentTelemetry:
    """Hears nothing."""

    def strategy_registered(self, config: StrategyConfig, /, *, has_model: bool) -> None:
        """Ignore it."""

    def model_loaded(self, config: StrategyConfig, /, *, loaded: bool) -> None:
        """Ignore it."""

    def tick_timer(self, strategy_type: str, /) -> Callable[[float], None] | None:  # noqa: ARG002
        """Nobody listens."""
        return None

    def signal_emitted(self, signal: TradingSignal, /) -> None:
        """Ignore it."""

    def signal_refused(self, rejection: Rejection, /) -> None:
        """Ignore it."""

    def strategy_failed(self, strategy_type: str, /) -> None:
        """Ignore it."""

    def late_tick(self, strategy_type: str, /) -> None:
        """Ignore it."""

    def irregular_tick(self, kind: Irregularity, /, *, dropped: bool) -> None:
        """Ignore it."""

    def strategy_cold(self, strategy_type: str, /) -> None:
        """Ignore it."""

    def snapshot_failed(self, strategy_type: str, /) -> None:
        """Ignore it."""


class SilentStatus:
    """Keeps nothing."""

    def report(self, status: StrategyStatus, /) -> None:
        """Ignore it."""
