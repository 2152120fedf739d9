"""Every metric there is: name, meaning, labels. Instruments and signal ids are never labels."""

from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from algo_panda.observability.hot import HotCounter, HotHistogram
from algo_panda.observability.replaced import ReplacedGauge

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

_TICK_SECONDS = (1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 1e-1, 1.0)
_CHECKPOINT_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Catalogue:
    """Makes and registers the metrics of one worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registered_strategies = Gauge(
            "panda_registered_strategies",
            "Strategies that take ticks, by type and whether they have a model.",
            ["strategy_type", "has_model"],
            registry=registry,
        )
        self.active_strategies = Gauge(
            "panda_active_strategies",
            "Strategies that take ticks, by the broker that their orders go to.",
            ["broker"],
            registry=registry,
        )
        self.model_loads = Counter(
            "panda_model_loads_total",
            "Calls of load_model, by strategy type and outcome (loaded, failed).",
            ["strategy_type", "outcome"],
            registry=registry,
        )
        self.process_tick_seconds = HotHistogram(
            "panda_process_tick_seconds",
            "Time that a strategy and its validator take on one tick.",
            "strategy_type",
            _TICK_SECONDS,
        )
        self.signals = HotCounter(
            "panda_signals",
            "Signals that passed their validator.",
            ["strategy_type", "signal_type"],
        )
        self.rejections = HotCounter(
            "panda_rejections",
            "Rejected signals and orders, by stage (runner, risk, router) and code.",
            ["stage", "code"],
        )
        self.strategy_errors = HotCounter(
            "panda_strategy_errors", "Ticks on which a strategy raised.", ["strategy_type"]
        )
        self.late_ticks = HotCounter(
            "panda_late_ticks", "Ticks that came after their bar was closed.", ["strategy_type"]
        )
        self.irregular_ticks = HotCounter(
            "panda_irregular_ticks",
            "Ticks that repeat the previous one (duplicate), are older than an earlier one"
            " (out_of_order), or are in another partition than their key's (misplaced), by outcome"
            " (processed, dropped).",
            ["kind", "outcome"],
        )
        self.cold_starts = HotCounter(
            "panda_cold_starts",
            "Times that a strategy was rebuilt on an instrument from fewer ticks than it needs.",
            ["strategy_type"],
        )
        self.snapshot_failures = HotCounter(
            "panda_snapshot_failures",
            "Snapshots of strategies that are not in a checkpoint, because they failed or are too"
            " large; a restart rebuilds the strategy from ticks.",
            ["strategy_type"],
        )
        self.dead_letters = HotCounter(
            "panda_dead_letters", "Records sent to a topic of dead letters.", ["topic", "code"]
        )
        self.orders = HotCounter("panda_orders", "Orders approved by risk.", ["broker"])
        self.executions = HotCounter(
            "panda_executions", "Execution reports, by broker and status.", ["broker", "status"]
        )
        self.records_processed = HotCounter(
            "panda_records_processed", "Records read and processed.", ["topic"]
        )
        self.consumer_lag_records = ReplacedGauge(
            "panda_consumer_lag_records",
            "Records from the last checkpoint to the end of a partition that this worker owns;"
            " updated once a second, absent while the broker does not answer.",
            ["topic", "partition"],
        )
        for collector in (
            self.consumer_lag_records,
            self.process_tick_seconds,
            self.signals,
            self.rejections,
            self.strategy_errors,
            self.late_ticks,
            self.irregular_ticks,
            self.cold_starts,
            self.snapshot_failures,
            self.dead_letters,
            self.orders,
            self.executions,
            self.records_processed,
        ):
            registry.register(cast("Collector", collector))
        self.batch_seconds = Histogram(
            "panda_batch_seconds",
            "Time to process one batch of records.",
            ["topic"],
            buckets=_CHECKPOINT_SECONDS,
            registry=registry,
        )
        self.checkpoint_seconds = Histogram(
            "panda_checkpoint_seconds",
            "Time from the snapshot of a partition's state until it is durable.",
            buckets=_CHECKPOINT_SECONDS,
            registry=registry,
        )
        self.assigned_partitions = Gauge(
            "panda_assigned_partitions", "Partitions that this worker owns.", registry=registry
        )
        self.unwritten_statuses = Gauge(
            "panda_unwritten_strategy_statuses",
            "Statuses of strategies that are not in the database yet.",
            registry=registry,
        )
        self.restore_seconds = Gauge(
            "panda_restore_seconds",
            "Time that the last restore of a partition's state took.",
            ["partition"],
            registry=registry,
        )
