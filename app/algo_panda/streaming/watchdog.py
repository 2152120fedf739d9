"""Watchdog: detects a worker without progress from a separate thread, even if its loop hangs."""

import faulthandler
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from algo_panda.domain.errors import KafkaError, PandaError
from algo_panda.kafka.ends import ReadEnds
from algo_panda.observability.health import Health, Reason, Status
from algo_panda.streaming.progress import Lag, Progress, TopicPartition
from algo_panda.supervised_thread import SupervisedThread

logger = logging.getLogger(__name__)

_LOOK_INTERVAL = 1.0
_LAST_LOOK_SECONDS = 1.0


class StalledError(PandaError):
    """The worker owns records to process and makes no checkpoint, or gets no partitions at all."""

    exit_code = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class StallPolicy:
    """When a worker counts as stalled, and what happens then."""

    seconds: float
    """How long a partition with records to process may have no checkpoint."""
    exits: bool = False
    """Whether a stalled process ends."""


class Watched(Protocol):
    """Interface of the engine to the watchdog. Called from the watchdog's thread."""

    @property
    def is_open(self) -> bool:
        """Return whether it opened an assignment of its group at least once, be it empty."""
        ...

    @property
    def opening_since(self) -> float | None:
        """Return since when, by its clock, partitions are being opened; None: all are open."""
        ...

    def durable_offsets(self) -> Mapping[TopicPartition, int]:
        """Return the next offset of the last checkpoint of every partition that it owns."""
        ...

    def failed_with(self) -> BaseException | None:
        """Return why it cannot continue, or None."""
        ...


class Watchdog:
    """Checks the worker once a second; a context manager that runs its thread."""

    def __init__(
        self,
        *,
        watched: Watched,
        read_ends: ReadEnds,
        policy: StallPolicy,
        publish: Callable[[Health], None],
        tell_lags: Callable[[Mapping[TopicPartition, int]], None],
        on_stall: Callable[[StalledError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; the thread does not run yet.

        Args:
            watched: the engine.
            read_ends: asks the broker, with a client that the engine does not use.
            policy: when a worker counts as stalled.
            publish: called after every check with the health of the worker.
            tell_lags: called after every check with the lag of each partition.
            on_stall: called once when a stall begins, if the policy is to exit.
            clock: that of the engine.
        """
        self._watched = watched
        self._read_ends = read_ends
        self._policy = policy
        self._publish = publish
        self._tell_lags = tell_lags
        self._on_stall = on_stall
        self._clock = clock
        self._progress = Progress()
        self._stalled = False
        self._blocked = False
        self._broker_away = False
        self._thread = SupervisedThread(
            "watchdog", self._step, last=faulthandler.cancel_dump_traceback_later
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.stop(_LAST_LOOK_SECONDS)

    @property
    def trouble(self) -> str | None:
        """Return why the thread does not work, or None. From any thread."""
        return self._thread.trouble

    def look(self) -> Health:
        """Check the worker once; publish and return its health."""
        health = self._seen()
        self._publish(health)
        self._log_broker(health)
        stalled = health.status is Status.STALLED
        if stalled and not self._stalled:
            self._tell(health)
        elif self._stalled and health.status is Status.OK:
            logger.warning("the worker recovered")
        self._stalled = stalled or (self._stalled and health.status is not Status.OK)
        blocked = health.status is Status.BLOCKED
        if blocked and not self._blocked:
            logger.error("the worker is blocked: %s", "; ".join(map(str, health.reasons)))
        self._blocked = blocked
        return health

    def _step(self, ending: threading.Event) -> None:
        if ending.wait(_LOOK_INTERVAL):
            return
        if self._policy.exits:
            # Native code that holds the interpreter for good holds this thread, too. This
            # one needs no interpreter: it shows where all threads are, and ends the process.
            faulthandler.dump_traceback_later(self._policy.seconds, exit=True)
        self.look()

    def _seen(self) -> Health:
        failure = self._watched.failed_with()
        if failure is not None:
            self._tell_lags({})
            return _health(Status.FAILED, Reason(reason=str(failure) or type(failure).__name__))
        durable = self._watched.durable_offsets()
        try:
            ends = self._read_ends(durable.keys())
        except KafkaError as error:
            # No worker can make progress: the time until the broker answers does not count.
            self._progress.pause()
            self._tell_lags({})
            return _health(Status.NO_BROKER, Reason(reason=str(error)))
        lags = self._progress.look(self._clock(), durable, ends)
        self._tell_lags({lag.where: lag.records for lag in lags})
        still = [lag for lag in lags if lag.seconds > self._policy.seconds]
        own = [lag for lag in still if lag.blocked_at is None]
        if own:
            return _health(Status.STALLED, *map(_stall, own))
        if still:
            return _health(Status.BLOCKED, *map(_block, still))
        return self._opened()

    def _opened(self) -> Health:
        since = self._watched.opening_since
        seconds = 0.0 if since is None else self._clock() - since
        if seconds > self._policy.seconds:
            reason = f"the partitions that the group assigned are not open after {seconds:.0f} s"
            return _health(Status.STALLED, Reason(reason=reason, seconds=round(seconds, 1)))
        if not self._watched.is_open:
            return _health(
                Status.STARTING, Reason(reason="the group has not assigned partitions yet")
            )
        return Health(status=Status.OK)

    def _log_broker(self, health: Health) -> None:
        """Log one line when the broker stops answering, and one when it answers again."""
        is_away = health.status is Status.NO_BROKER
        if is_away and not self._broker_away:
            logger.error("the broker does not answer: %s", "; ".join(map(str, health.reasons)))
        elif self._broker_away and not is_away:
            logger.warning("the broker answers again")
        self._broker_away = is_away

    def _tell(self, health: Health) -> None:
        reasons = "; ".join(map(str, health.reasons))
        line = f"the worker is stalled: {reasons} (the main thread is at {main_thread_at()})"
        if self._policy.exits:
            self._on_stall(
                StalledError(
                    f"{line}; start the worker again, it continues from its last checkpoint"
                )
            )
        else:
            logger.error("%s", line)


def main_thread_at() -> str:
    """Return the position of the main thread: file, line and function."""
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - its public name
    frame = frames.get(threading.main_thread().ident or 0)
    if frame is None:
        return "its end"
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"


def _stall(lag: Lag) -> Reason:
    return _reason(
        lag, f"{lag.records} records to process, and no checkpoint for {lag.seconds:.0f} s"
    )


def _block(lag: Lag) -> Reason:
    return _reason(
        lag,
        f"{lag.records} records cannot be read for {lag.seconds:.0f} s: the transaction that"
        f" begins at offset {lag.blocked_at} is still open; abort it with kafka-transactions.sh"
        f" abort --topic {lag.where[0]} --partition {lag.where[1]}"
        f" --start-offset {lag.blocked_at}",
    )


def _reason(lag: Lag, reason: str) -> Reason:
    return Reason(
        reason=reason,
        topic=lag.where[0],
        partition=lag.where[1],
        lag=lag.records,
        seconds=round(lag.seconds, 1),
    )


def _health(status: Status, *reasons: Reason) -> Health:
    return Health(status=status, reasons=reasons)
