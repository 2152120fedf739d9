"""Errors that keep a worker out of its consumer group, for the log and for /health.

aiokafka retries without end, and reports errors only to its own log, which workers do not show.
"""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

from algo_panda.supervised_thread import one_line

logger = logging.getLogger(__name__)

_CLIENT_LOG = "aiokafka.consumer.group_coordinator"
_COMMIT = "OffsetCommit"
"""Begins lines about committed offsets, which only tools that show lag read."""
_RECENT_SECONDS = 5.0
"""After so long without a new error, the group works again."""
_PATIENCE_SECONDS = 3.0
"""Errors of the client that stop before that are those of a rebalance, or of one connection."""
_LOG_INTERVAL = 60.0


class _Episode(NamedTuple):
    reason: str
    began_at: float
    last_at: float
    is_refusal: bool
    """Whether one such error is a trouble; else several in a row are."""


class GroupTrouble:
    """Errors of one group. Written and read from any thread; ``look`` is called from one."""

    def __init__(self, group: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._group = group
        self._clock = clock
        self._episode: _Episode | None = None
        self._logged_at: float | None = None
        self._listener: _Listener | None = None

    def refused(self, reason: str) -> None:
        """Note that the group does not accept the worker now; that may change."""
        self._note(" ".join(reason.split()), is_refusal=True)

    def client_error(self, reason: str) -> None:
        """Note an error that the client has logged; the client tries again."""
        self._note(" ".join(reason.split()), is_refusal=False)

    @property
    def trouble(self) -> str | None:
        """Return why the worker is not a member, or None."""
        episode = self._current()
        if episode is None:
            return None
        lasted = episode.last_at - episode.began_at
        if not episode.is_refusal and lasted < _PATIENCE_SECONDS:
            return None
        seconds = self._clock() - episode.began_at
        return f"not a member of consumer group {self._group} for {seconds:.0f} s: {episode.reason}"

    def look(self) -> None:
        """Log a trouble when it begins, once a minute while it lasts, and when it ends."""
        self._listen()
        trouble, now = self.trouble, self._clock()
        if trouble is not None:
            if self._logged_at is None or now - self._logged_at >= _LOG_INTERVAL:
                self._logged_at = now
                logger.error("%s; trying again", trouble)
        elif self._logged_at is not None and self._current() is None:
            self._logged_at = None
            logger.warning("consumer group %s works again", self._group)

    @contextmanager
    def listening(self) -> Generator[None]:
        """Collect the errors that the client logs, until the end of the block."""
        self._listener = listener = _Listener(self)
        self._listen()
        try:
            yield
        finally:
            self._listener = None
            logging.getLogger(_CLIENT_LOG).removeHandler(listener)

    def _listen(self) -> None:
        """Be a handler of the client's log, also if a strategy configured logging anew."""
        client_log = logging.getLogger(_CLIENT_LOG)
        if self._listener is not None and self._listener not in client_log.handlers:
            client_log.addHandler(self._listener)

    def _current(self) -> _Episode | None:
        episode = self._episode
        if episode is None or self._clock() - episode.last_at > _RECENT_SECONDS:
            return None
        return episode

    def _note(self, reason: str, *, is_refusal: bool) -> None:
        now, before = self._clock(), self._current()
        if before is None:
            self._episode = _Episode(reason, now, now, is_refusal)
        elif is_refusal or not before.is_refusal:
            self._episode = _Episode(reason, before.began_at, now, is_refusal)


class _Listener(logging.Handler):
    def __init__(self, trouble: GroupTrouble) -> None:
        super().__init__(logging.ERROR)
        self._trouble = trouble

    def emit(self, record: logging.LogRecord) -> None:
        """Take an error. One with an exception is of our own callbacks: aiokafka goes on."""
        message = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._trouble.refused(f"{message}: {one_line(error)}")
        elif not message.startswith(_COMMIT):
            self._trouble.client_error(message)
