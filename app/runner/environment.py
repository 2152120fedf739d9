"""What all strategies of a partition share."""

from collections.abc import Callable
from dataclasses import dataclass

from app.runner.ports import RunnerTelemetry, StatusSink, TickTracer


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
