"""What the engine tells the outside about itself."""

from collections.abc import Mapping
from typing import Protocol


class StreamTelemetry(Protocol):
    """Hears how records flow and when state becomes durable."""

    def batch_processed(self, topic: str, partition: int, records: int, seconds: float, /) -> None:
        """A batch was processed in so many seconds."""

    def checkpointed(self, partition: int, seconds: float, records: int, /) -> None:
        """A checkpoint became durable."""

    def assigned(self, partitions: int, /) -> None:
        """So many partitions are ours now."""

    def restored(self, partition: int, records: int, seconds: float, /) -> None:
        """A partition's state was read back."""

    def lags(self, records: Mapping[tuple[str, int], int], /) -> None:
        """So many records are to be processed, by topic and partition: of these and no others.

        Told by the watchdog, from its own thread; nothing where the broker does not say.
        """


class SilentStreamTelemetry:
    """Hears nothing."""

    def batch_processed(self, topic: str, partition: int, records: int, seconds: float, /) -> None:
        """Ignore it."""

    def checkpointed(self, partition: int, seconds: float, records: int, /) -> None:
        """Ignore it."""

    def assigned(self, partitions: int, /) -> None:
        """Ignore it."""

    def restored(self, partition: int, records: int, seconds: float, /) -> None:
        """Ignore it."""

    def lags(self, records: Mapping[tuple[str, int], int], /) -> None:
        """Ignore it."""
