"""The strategy runner: starts strategies, hands out partitions, stops."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.runner.arrival import ArrivalPolicy
from algo_panda.runner.environment import SlotEnvironment
from algo_panda.runner.partition import PartitionRunner
from algo_panda.runner.ports import (
    RunnerTelemetry,
    SilentStatus,
    SilentTelemetry,
    StatusSink,
    TickTracer,
)
from algo_panda.runner.registry import Disabled, Registered, StrategyRegistry

logger = logging.getLogger(__name__)

DEFAULT_QUARANTINE_AFTER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReport:
    """Which strategies take ticks, and which do not."""

    registered: tuple[Registered, ...]
    disabled: tuple[Disabled, ...]


class StrategyRunner:
    """Runs strategies by what they can do, and never asks what they are."""

    def __init__(
        self,
        *,
        configs: Iterable[StrategyConfig],
        factory: StrategyFactory,
        telemetry: RunnerTelemetry | None = None,
        status: StatusSink | None = None,
        quarantine_after: int = DEFAULT_QUARANTINE_AFTER,
        clock: Callable[[], float] = time.perf_counter,
        tracer: TickTracer | None = None,
        arrival: ArrivalPolicy | None = None,
    ) -> None:
        """Make one that runs the enabled ones of ``configs``; ``start`` starts it."""
        self._configs = tuple(config for config in configs if config.enabled)
        self._telemetry = telemetry or SilentTelemetry()
        self._status = status or SilentStatus()
        self._registry = StrategyRegistry(factory, self._telemetry, self._status)
        self._quarantine_after = quarantine_after
        self._clock = clock
        self._tracer = tracer
        self._arrival = arrival or ArrivalPolicy()
        self._partitions: list[PartitionRunner] = []

    def start(self) -> StartReport:
        """Register every enabled strategy; those that cannot start are disabled, alone."""
        outcomes = [self._registry.register(config) for config in self._configs]
        report = StartReport(
            registered=tuple(o for o in outcomes if isinstance(o, Registered)),
            disabled=tuple(o for o in outcomes if isinstance(o, Disabled)),
        )
        if not report.registered:
            logger.warning("no strategy is registered: ticks are read without signals")
        return report

    def partition(self, *, topic_id: str, partition: int) -> PartitionRunner:
        """The runner of one partition of the ``ticks`` topic whose Kafka id is ``topic_id``."""
        runner = PartitionRunner(
            self._registry,
            SlotEnvironment(
                topic_id=topic_id,
                partition=partition,
                quarantine_after=self._quarantine_after,
                telemetry=self._telemetry,
                status=self._status,
                clock=self._clock,
                tracer=self._tracer,
            ),
            self._arrival,
        )
        self._partitions.append(runner)
        return runner

    def release(self, runner: PartitionRunner) -> None:
        """Put away a partition that another worker has now."""
        if runner in self._partitions:
            self._partitions.remove(runner)
            runner.shutdown()

    def stop(self) -> None:
        """Shut down every processor."""
        for runner in self._partitions:
            runner.shutdown()
        self._partitions.clear()
        self._registry.close()
