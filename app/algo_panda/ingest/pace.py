"""When a tick is due, counted from the first one. Nothing here reads a clock."""

from dataclasses import dataclass
from typing import Protocol

_MICROSECONDS = 1_000_000


class Clock(Protocol):
    """What pacing needs of time; the module ``time`` is one."""

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


class Pace(Protocol):
    """Says when to send. From the start on, not from tick to tick: delays do not add up."""

    def due(self, sent: int, event_us: int, /) -> float:
        """Seconds after the first tick at which the next one is due.

        Args:
            sent: how many went before it.
            event_us: its event time minus that of the first, in microseconds.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRate:
    """Evenly, whatever the event times say."""

    ticks_per_second: float

    def due(self, sent: int, _event_us: int, /) -> float:
        """By how many went before."""
        return sent / self.ticks_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTimePace:
    """As the ticks once came, ``speed`` times as fast. A tick from before the first is due now."""

    speed: float

    def due(self, _sent: int, event_us: int, /) -> float:
        """By its event time."""
        return event_us / _MICROSECONDS / self.speed
