"""A started runner, and everything around it that a test wants to look at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.market import MarketTick
from algo_panda.domain.protocols import StrategyProcessor, StrategyValidator
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection
from algo_panda.runner.partition import PartitionRunner
from algo_panda.runner.runner import StartReport, StrategyRunner
from tests.unit.fakes.observers import RecordingStatus, RecordingTelemetry
from tests.unit.fakes.validators import Answers

TOPIC_ID = "topic-a"
PARTITION = 3

Make = Callable[[], StrategyProcessor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A runner that was started, and one partition of it."""

    runner: StrategyRunner
    partition: PartitionRunner
    report: StartReport
    telemetry: RecordingTelemetry
    status: RecordingStatus
    made: list[Any]
    """Every processor that was made, oldest first."""

    def feed(
        self, *ticks: MarketTick, first_offset: int = 0
    ) -> list[Sequence[TradingSignal | Rejection]]:
        """What is said about each tick."""
        return [
            self.partition.process(tick, offset)
            for offset, tick in enumerate(ticks, start=first_offset)
        ]

    def reasons(self, *ticks: MarketTick, first_offset: int = 0) -> list[list[str | None]]:
        """``reasoning`` of what is said about each tick."""
        return [
            [one.reasoning for one in said if isinstance(one, TradingSignal)]
            for said in self.feed(*ticks, first_offset=first_offset)
        ]


def start(
    *configs: StrategyConfig,
    processors: Mapping[str, Make],
    validators: Mapping[str, StrategyValidator] | None = None,
    partition: int = PARTITION,
    topic_id: str = TOPIC_ID,
    **options: Any,
) -> Rig:
    """Start a runner on ``configs``; a processor type is made by its function without arguments."""
    made: list[Any] = []
    factory = StrategyFactory()
    for strategy_type, make in processors.items():
        factory.register_processor(strategy_type, lambda _c, _x, make=make: _kept(made, make()))
    for name, validator in {"standard": Answers(), **(validators or {})}.items():
        factory.register_validator(name, lambda _c, validator=validator: validator)
    telemetry, status = RecordingTelemetry(), RecordingStatus()
    runner = StrategyRunner(
        configs=configs, factory=factory, telemetry=telemetry, status=status, **options
    )
    report = runner.start()
    return Rig(
        runner=runner,
        partition=runner.partition(topic_id=topic_id, partition=partition),
        report=report,
        telemetry=telemetry,
        status=status,
        made=made,
    )


def _kept(made: list[Any], processor: Any) -> Any:
    made.append(processor)
    return processor
