"""Turns what the runner, the stages and the engine tell into Prometheus metrics."""

import logging
from collections.abc import Callable, Mapping

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import Irregularity
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.observability.catalogue import Catalogue
from algo_panda.observability.kept import restore_process

logger = logging.getLogger(__name__)


class PrometheusTelemetry:
    """Fits every telemetry port there is. Written by the worker's one thread, but for lags."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._metrics = catalogue
        self._logged: set[tuple[str, str, str]] = set()

    def of_recorded_versions(self) -> "PrometheusTelemetry":
        """For strategies that go on as they were recorded: they are no more strategies for it."""
        return _OfRecordedVersions(self._metrics)

    def strategy_registered(self, config: StrategyConfig, /, *, has_model: bool) -> None:
        """A strategy takes ticks from now on."""
        self._metrics.registered_strategies.labels(
            strategy_type=config.strategy_type, has_model=str(has_model).lower()
        ).inc()
        for broker in config.brokers:
            self._metrics.active_strategies.labels(broker=broker).inc()

    def model_loaded(self, config: StrategyConfig, /, *, loaded: bool) -> None:
        """``load_model`` was called for a strategy, and worked or not."""
        restore_process()
        self._metrics.model_loads.labels(
            strategy_type=config.strategy_type, outcome="loaded" if loaded else "failed"
        ).inc()

    def tick_timer(self, strategy_type: str, /) -> Callable[[float], None]:
        """What hears how long a strategy of a type took for a tick."""
        return self._metrics.process_tick_seconds.observer(strategy_type)

    def signal_emitted(self, signal: TradingSignal, /) -> None:
        """A signal passed its validator."""
        self._metrics.signals.add((signal.strategy_type, signal.signal_type))

    def signal_refused(self, rejection: Rejection, /) -> None:
        """A stage refused a signal or an order: the first of a kind is logged, too."""
        self._metrics.rejections.add((rejection.stage, rejection.code))
        kind = (rejection.strategy_id, rejection.stage, rejection.code)
        if kind not in self._logged:
            self._logged.add(kind)
            logger.warning(
                "%s refuses what strategy %s (%s) says: %s %s; more of these are only counted, in"
                " panda_rejections_total, and are on the topic of rejections",
                rejection.stage,
                rejection.strategy_id,
                rejection.strategy_type,
                rejection.code,
                rejection.reason,
            )

    def strategy_failed(self, strategy_type: str, /) -> None:
        """Count that a strategy raised on a tick; that is then logged, so the log has to work."""
        restore_process()
        self._metrics.strategy_errors.add((strategy_type,))

    def late_tick(self, strategy_type: str, /) -> None:
        """A tick came after the bar it belongs to was closed."""
        self._metrics.late_ticks.add((strategy_type,))

    def misplaced_tick(self) -> None:
        """Count a tick that was processed in a partition that is not its key's."""
        self._metrics.irregular_ticks.add(("misplaced", "processed"))

    def irregular_tick(self, kind: Irregularity, /, *, dropped: bool) -> None:
        """A tick repeats the one before it, or is older than one before it."""
        self._metrics.irregular_ticks.add((kind, "dropped" if dropped else "processed"))

    def strategy_cold(self, strategy_type: str, /) -> None:
        """A strategy was rebuilt on an instrument from fewer ticks than it needs."""
        self._metrics.cold_starts.add((strategy_type,))

    def snapshot_failed(self, strategy_type: str, /) -> None:
        """A strategy has no snapshot in a checkpoint, because it failed or is too large."""
        restore_process()
        self._metrics.snapshot_failures.add((strategy_type,))

    def dead_letter(self, topic: str, code: str, /) -> None:
        """A record could not be used."""
        self._metrics.dead_letters.add((topic, code))

    def order_approved(self, order: Order, /) -> None:
        """Risk let an order pass."""
        self._metrics.orders.add((order.broker,))

    def executed(self, report: ExecutionReport, /) -> None:
        """Something happened to an order."""
        self._metrics.executions.add((report.broker, report.status))

    def batch_processed(self, topic: str, partition: int, records: int, seconds: float, /) -> None:  # noqa: ARG002 - partitions are no label here
        """A batch was processed."""
        self._metrics.records_processed.add((topic,), records)
        self._metrics.batch_seconds.labels(topic=topic).observe(seconds)

    def checkpointed(self, partition: int, seconds: float, records: int, /) -> None:  # noqa: ARG002
        """A checkpoint became durable."""
        self._metrics.checkpoint_seconds.observe(seconds)

    def assigned(self, partitions: int, /) -> None:
        """So many partitions are ours now."""
        self._metrics.assigned_partitions.set(partitions)

    def restored(self, partition: int, records: int, seconds: float, /) -> None:  # noqa: ARG002
        """A partition's state was read back."""
        self._metrics.restore_seconds.labels(partition=str(partition)).set(seconds)

    def statuses_pending(self, count: int, /) -> None:
        """So many statuses of strategies are not in the database yet. From any thread."""
        self._metrics.unwritten_statuses.set(count)

    def lags(self, records: Mapping[tuple[str, int], int], /) -> None:
        """So many records are to be processed, by topic and partition. From any thread."""
        self._metrics.consumer_lag_records.replace(
            {(topic, str(partition)): lag for (topic, partition), lag in records.items()}
        )


class _OfRecordedVersions(PrometheusTelemetry):
    """Counts what they do. How many strategies there are, the current ones have said."""

    def strategy_registered(self, config: StrategyConfig, /, *, has_model: bool) -> None:
        """Ignore it."""
