"""Telemetry of the engine."""

from collections.abc import Mapping
from typing import Protocol


class StreamTelemetry(Protocol):
    """Receiver of measurements of the engine."""

    def batch_processed(self, topic: str, partition: int, records: int, seconds: float, /) -> None:
        """Record a processed batch and its duration."""

    def checkpointed(self, partition: int, seconds: float, records: int, /) -> None:
        """Record a durable checkpoint."""

    def assigned(self, partitions: int, /) -> None:
        """Record the number of owned partitions."""

    def restored(self, partition: int, records: int, seconds: float, /) -> None:
        """Record the restore of a partition."""

    def lags(self, records: Mapping[tuple[str, int], int], /) -> None:
        """Replace the lags of all partitions.

        Called from the thread of the watchdog; empty if the broker does not answer.
        """


class SilentStreamTelemetry:
    """Telemetry that ignores everything."""

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
