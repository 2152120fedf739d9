"""How a worker is, for whoever asks at ``/health``."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

SILENCE_SECONDS = 30.0
"""A word that is older says nothing about now."""


class Status(StrEnum):
    """All in all."""

    OK = "ok"
    STARTING = "starting"
    STALLED = "stalled"
    BLOCKED = "blocked"
    NO_BROKER = "no broker"
    DEGRADED = "degraded"
    FAILED = "failed"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why it is not well; what is of one partition says which."""

    reason: str
    topic: str | None = None
    partition: int | None = None
    lag: int | None = None
    """Records to process."""
    seconds: float | None = None
    """For how long it has been so."""

    def __str__(self) -> str:
        """As part of a line for people."""
        where = "" if self.topic is None else f"{self.topic}[{self.partition}]: "
        return where + self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a worker is at one moment."""

    status: Status
    reasons: tuple[Reason, ...] = ()

    def as_json(self) -> str:
        """One object: ``status``, and ``reasons`` without what does not apply."""
        reasons = [
            {
                name: value
                for name in ("reason", "topic", "partition", "lag", "seconds")
                if (value := getattr(reason, name)) is not None
            }
            for reason in self.reasons
        ]
        return json.dumps({"status": self.status, "reasons": reasons})


_STARTING = Health(
    status=Status.STARTING, reasons=(Reason(reason="the worker has not joined its group yet"),)
)


Trouble = Callable[[], str | None]
"""Tells why a part of the worker does not work, or None if it does. Called from any thread."""

_OUTRANKED = (Status.OK, Status.STARTING)


class HealthBoard:
    """Where the watchdog writes and the endpoint reads; each from its own thread.

    Parts that can fail while the worker goes on are asked for their troubles at every read: what
    they answer is seen even if the watchdog hangs.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._word = (_STARTING, clock())
        self._troubles: tuple[Trouble, ...] = ()

    def watch(self, trouble: Trouble) -> None:
        """Ask a part of the worker whenever the health is read."""
        self._troubles = (*self._troubles, trouble)

    def write(self, health: Health) -> None:
        """This is how the worker is now."""
        self._word = (health, self._clock())

    def read(self) -> Health:
        """Return the last word, if it is not too old, with the troubles of all parts."""
        health = self._last_word()
        troubles = [reason for trouble in self._troubles if (reason := trouble()) is not None]
        if not troubles:
            return health
        return Health(
            status=Status.DEGRADED if health.status in _OUTRANKED else health.status,
            reasons=(*(Reason(reason=reason) for reason in troubles), *health.reasons),
        )

    def _last_word(self) -> Health:
        health, written_at = self._word
        silence = self._clock() - written_at
        if silence > SILENCE_SECONDS and health.status is not Status.STARTING:
            reason = Reason(reason="the watchdog thread does not run", seconds=round(silence, 1))
            return Health(status=Status.SILENT, reasons=(reason,))
        return health
