"""What the engine tells the outside about itself."""

from typing import Protocol


class StreamTelemetry(Protocol):
    """Hears how records flow and when state becomes durable."""

    def batch_processed(self, topic: str, partition: int, records: int, seconds: float, /) -> None:
        """A batch was processed in so many seconds."""

    def outputs_sent(self, topic: str, records: int, /) -> None:
        """Records were handed to the producer."""

    def checkpointed(self, partition: int, seconds: float, records: int, /) -> None:
        """A checkpoint became durable."""

    def assigned(self, partitions: int, /) -> None:
        """So many partitions are ours now."""

    def restored(self, partition: int, records: int, seconds: float, /) -> None:
        """A partition's state was read back."""

    def lag(self, topic: str, partition: int, records: int, /) -> None:
        """Records between the durable position and the end of a partition."""


class SilentStreamTelemetry:
    """Hears nothing."""

    def batch_processed(self, topic: str, partition: int, records: int, seconds: float, /) -> None:
        """Ignore it."""

    def outputs_sent(self, topic: str, records: int, /) -> None:
        """Ignore it."""

    def checkpointed(self, partition: int, seconds: float, records: int, /) -> None:
        """Ignore it."""

    def assigned(self, partitions: int, /) -> None:
        """Ignore it."""

    def restored(self, partition: int, records: int, seconds: float, /) -> None:
        """Ignore it."""

    def lag(self, topic: str, partition: int, records: int, /) -> None:
        """Ignore it."""
