"""What became of the ticks of a run, and how a run can fail."""

from dataclasses import dataclass

from algo_panda.domain.errors import BadInputError, KafkaError, PandaError
from algo_panda.ingest.source import BadRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of ticks, but for ``rejected``, which is of rows, and ``seconds``."""

    sent: int = 0
    """Handed to the producer."""
    acknowledged: int = 0
    """Confirmed by the broker: on all in-sync replicas."""
    failed: int = 0
    """Given up by the producer. At the end, sent is acknowledged plus failed."""
    rejected: int = 0
    """Bad rows passed over."""
    seconds: float = 0.0

    @property
    def ticks_per_second(self) -> float:
        """Acknowledged ticks by seconds."""
        return self.acknowledged / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A run that came to its end, or was asked to stop; every tick sent is acknowledged."""

    counts: Counts
    stopped: bool
    """Asked to stop before the end."""


class PublishError(PandaError):
    """A run failed. Everything sent before was waited for; ``counts`` says what became of it."""

    def __init__(self, message: str, counts: Counts) -> None:
        super().__init__(message)
        self.counts = counts


class BadRowError(PublishError, BadInputError):
    """A row is no tick, and the run was to stop there: nothing behind it was sent."""

    def __init__(self, bad: BadRow, counts: Counts) -> None:
        super().__init__(
            f"{bad}. Stopped there: all {counts.acknowledged} ticks before it are acknowledged, "
            "none after it was sent",
            counts,
        )
        self.bad = bad


class BrokenSourceError(PublishError, BadInputError):
    """A source broke off."""

    def __init__(self, cause: BadInputError, counts: Counts) -> None:
        super().__init__(
            f"{cause}. Stopped there: all {counts.acknowledged} ticks before it are acknowledged",
            counts,
        )


class DeliveryError(PublishError, KafkaError):
    """The broker did not acknowledge everything that was sent to it."""

    def __init__(self, topic: str, reason: str, counts: Counts) -> None:
        super().__init__(
            f"{counts.failed} of {counts.sent} ticks sent to {topic} were not acknowledged "
            f"({reason}); the other {counts.acknowledged} were",
            counts,
        )
