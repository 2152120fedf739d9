"""Those who listen to the runner: they write down what they hear."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import Irregularity
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.domain.trading import Rejection


class RecordingTelemetry:
    """Keeps every call as (name, what it was told)."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def of(self, name: str) -> list[Any]:
        return [told for heard, told in self.heard if heard == name]

    def strategy_registered(self, config: StrategyConfig, /, *, has_model: bool) -> None:
        self.heard.append(("strategy_registered", (config.strategy_type, has_model)))

    def model_loaded(self, config: StrategyConfig, /, *, loaded: bool) -> None:
        self.heard.append(("model_loaded", (config.strategy_type, loaded)))

    def tick_timer(self, strategy_type: str, /) -> Callable[[float], None]:
        return lambda seconds: self.heard.append(("tick_processed", (strategy_type, seconds)))

    def signal_emitted(self, signal: TradingSignal, /) -> None:
        self.heard.append(("signal_emitted", signal))

    def signal_refused(self, rejection: Rejection, /) -> None:
        self.heard.append(("signal_refused", rejection))

    def strategy_failed(self, strategy_type: str, /) -> None:
        self.heard.append(("strategy_failed", strategy_type))

    def late_tick(self, strategy_type: str, /) -> None:
        self.heard.append(("late_tick", strategy_type))

    def irregular_tick(self, kind: Irregularity, /, *, dropped: bool) -> None:
        self.heard.append(("irregular_tick", (str(kind), dropped)))

    def strategy_cold(self, strategy_type: str, /) -> None:
        self.heard.append(("strategy_cold", strategy_type))

    def snapshot_failed(self, strategy_type: str, /) -> None:
        self.heard.append(("snapshot_failed", strategy_type))


class RecordingStatus:
    """Keeps every status, oldest first."""

    def __init__(self) -> None:
        self.reported: list[StrategyStatus] = []

    def report(self, status: StrategyStatus, /) -> None:
        self.reported.append(status)

    def in_state(self, state: StrategyState) -> list[StrategyStatus]:
        return [status for status in self.reported if status.state is state]


class RecordingTracer:
    """Keeps every span as (strategy type, instrument, offset, error that left it)."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, int, int, str | None]] = []

    @contextmanager
    def process_tick(
        self, config: StrategyConfig, instrument_token: int, offset: int, /
    ) -> Iterator[object]:
        error = None
        try:
            yield None
        except Exception as raised:
            error = str(raised)
            raise
        finally:
            self.spans.append((config.strategy_type, instrument_token, offset, error))
