"""What all strategies of a partition share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from algo_panda.domain.config import StrategyConfig
from algo_panda.runner.ports import RunnerTelemetry, StatusSink, TickTracer
from algo_panda.runner.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotEnvironment:
    """What all slots of a partition share."""

    topic_id: str
    """Kafka's id of the ``ticks`` topic."""
    partition: int
    quarantine_after: int
    """Consecutive failures after which a strategy stops on an instrument."""
    telemetry: RunnerTelemetry
    status: StatusSink
    clock: Callable[[], float]
    """Seconds of a monotonic clock."""
    tracer: TickTracer | None
    """None: no spans."""
    _provenances: dict[tuple[str, str | None], Provenance] = field(
        default_factory=dict[tuple[str, str | None], Provenance],
        init=False,
        repr=False,
        compare=False,
    )

    def provenance(self, config: StrategyConfig, model_digest: str | None) -> Provenance:
        """That of a strategy's signals here, with this model."""
        key = config.strategy_id, model_digest
        found = self._provenances.get(key)
        if found is None:
            found = self._provenances[key] = Provenance(
                config=config,
                model_digest=model_digest,
                topic_id=self.topic_id,
                partition=self.partition,
            )
        return found
