"""Interfaces that operators need: codecs, telemetry, topics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.wire.errors import WireError

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Decoder(Protocol[T_co]):
    """Reads a record's value."""

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> T_co:
        """The object in ``value``.

        Raises:
            WireError: it cannot be used; the error says why.
        """
        ...


class TickDecoder(Protocol):
    """Reads the values of ``ticks``, many at a time."""

    def decode_many(
        self, values: Sequence[bytes | None], timestamps_ms: Sequence[int], /
    ) -> Sequence[MarketTick | WireError]:
        """The tick in each value, or what is wrong with it."""
        ...


class Encoder(Protocol[T_contra]):
    """Writes a record's value."""

    def encode(self, record: T_contra, /) -> bytes:
        """The bytes of ``record``.

        Raises:
            WireError: it could not be read back.
        """
        ...


class StageTelemetry(Protocol):
    """Telemetry of risk, router, paper venue and runner."""

    def dead_letter(self, topic: str, code: str, /) -> None:
        """Count a dead letter."""

    def misplaced_tick(self) -> None:
        """Count a tick that was processed in a partition that is not its key's."""

    def signal_refused(self, rejection: Rejection, /) -> None:
        """Count a rejected signal or order."""

    def order_approved(self, order: Order, /) -> None:
        """Count an order that risk approved."""

    def executed(self, report: ExecutionReport, /) -> None:
        """Count an execution report."""


class SilentStageTelemetry:
    """Telemetry that ignores everything."""

    def dead_letter(self, topic: str, code: str, /) -> None:
        """Ignore it."""

    def misplaced_tick(self) -> None:
        """Ignore it."""

    def signal_refused(self, rejection: Rejection, /) -> None:
        """Ignore it."""

    def order_approved(self, order: Order, /) -> None:
        """Ignore it."""

    def executed(self, report: ExecutionReport, /) -> None:
        """Ignore it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerTopics:
    """Topics of the runner, by their names on the broker."""

    ticks: str
    signals: str
    rejections: str
    activations: str
