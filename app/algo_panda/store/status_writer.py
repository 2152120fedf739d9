"""Writes what the runner says of strategies into the database, without making it wait."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from algo_panda.domain.errors import DatabaseError
from algo_panda.domain.status import StrategyStatus
from algo_panda.store.repository import StatusRepository
from algo_panda.supervised_thread import SupervisedThread

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)

_Key = tuple["UUID", int | None]

REPEAT_SECONDS = 60.0
"""How often everything is said again, so that it is not taken for that of a worker long gone."""

_LONGEST_PAUSE = 5.0
_MOST_IN_A_ROW = 2
_LAST_WRITE_SECONDS = 6.0
"""How long the last attempt may take: SQLite waits for 5 s for another process that writes."""


def _not_counted(_pending: int) -> None:
    """Do nothing."""


class StatusWriter:
    """A ``StatusSink`` with a thread of its own, which tries again until a status is written.

    The newest status of a strategy on an instrument replaces one that is not written yet; a status
    of another version of the strategy as a whole replaces all of the version before.

    Args:
        repository: where statuses go.
        worker: who says so; see ``StatusRepository.report``.
        repeat_seconds: how often all is said again.
        longest_pause: seconds from a failed attempt to the next one, at most.
        count_pending: is told how many statuses are not written yet, whenever that changes.
    """

    def __init__(
        self,
        repository: StatusRepository,
        *,
        worker: str,
        repeat_seconds: float = REPEAT_SECONDS,
        longest_pause: float = _LONGEST_PAUSE,
        count_pending: Callable[[int], None] = _not_counted,
    ) -> None:
        self._repository = repository
        self._worker = worker
        self._repeat_seconds = repeat_seconds
        self._count_pending = count_pending
        self._changed = threading.Condition()
        self._newest: dict[_Key, StrategyStatus] = {}
        self._pending: dict[_Key, StrategyStatus] = {}
        """Those that are not written, in the order in which they were reported."""
        self._closing = False
        self._repeat_at = 0.0
        self._thread = SupervisedThread(
            "status", self._step, last=self._write, longest_pause=longest_pause
        )

    def __enter__(self) -> Self:
        self._repeat_at = time.monotonic() + self._repeat_seconds
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Try once more to write what is pending, for some seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.stop(_LAST_WRITE_SECONDS)
        pending = len(self._pending)
        if pending:
            logger.warning(
                "%d statuses of strategies could not be written to the database before the worker"
                " ended; 'panda strategies list' shows earlier ones until a worker starts",
                pending,
            )

    @property
    def trouble(self) -> str | None:
        """Why it does not work, or None.

        A database that cannot be written is no reason to restart a worker: that is logged, and
        counted by ``count_pending``.
        """
        return None if isinstance(self._thread.error, DatabaseError) else self._thread.trouble

    def report(self, status: StrategyStatus, /) -> None:
        """Take a status; it is written soon, or as soon as the database can be written."""
        key = (status.strategy_id, status.instrument_token)
        with self._changed:
            for kept in (self._newest, self._pending):
                if status.instrument_token is None:
                    _drop_other_versions(kept, status)
                kept.pop(key, None)  # so that it comes last
                kept[key] = status
            self._count_pending(len(self._pending))
            self._changed.notify_all()

    def _step(self, _ending: threading.Event) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._pending or self._closing,
                timeout=max(0.0, self._repeat_at - time.monotonic()),
            )
            if self._closing:
                return
            if time.monotonic() >= self._repeat_at:
                self._repeat_at = time.monotonic() + self._repeat_seconds
                self._pending = {**self._newest, **self._pending}
        self._write()

    def _write(self) -> None:
        """Write what is pending: all at once, or else each that can be written.

        Raises:
            DatabaseError: some could not be written.
        """
        with self._changed:
            waiting = dict(self._pending)
        if not waiting:
            return
        try:
            self._report(waiting)
        except DatabaseError:
            if len(waiting) == 1:
                raise
            self._write_singly(waiting)

    def _write_singly(self, waiting: dict[_Key, StrategyStatus]) -> None:
        """Write each that can be written: one that the database refuses does not hold up others.

        Raises:
            DatabaseError: some could not be written. After two in a row, none is tried any more:
                then it is the database that cannot be written.
        """
        failure: DatabaseError | None = None
        in_a_row = 0
        for key, status in waiting.items():
            try:
                self._report({key: status})
            except DatabaseError as error:
                failure, in_a_row = error, in_a_row + 1
                self._postpone(key, status)
                if in_a_row == _MOST_IN_A_ROW:
                    break
            else:
                in_a_row = 0
        if failure is not None:
            raise failure

    def _postpone(self, key: _Key, status: StrategyStatus) -> None:
        """Try the others first, the next time."""
        with self._changed:
            if self._pending.get(key) is status:
                self._pending[key] = self._pending.pop(key)

    def _report(self, statuses: dict[_Key, StrategyStatus]) -> None:
        self._repository.report(*statuses.values(), worker=self._worker)
        with self._changed:
            for key, status in statuses.items():
                if self._pending.get(key) is status:
                    del self._pending[key]
            self._count_pending(len(self._pending))


def _drop_other_versions(kept: dict[_Key, StrategyStatus], status: StrategyStatus) -> None:
    outdated = [
        key
        for key, one in kept.items()
        if one.strategy_id == status.strategy_id and one.strategy_version != status.strategy_version
    ]
    for key in outdated:
        del kept[key]
