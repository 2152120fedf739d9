"""Writes what the runner says of strategies into the database, without making it wait."""

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Self

from algo_panda.domain.errors import DatabaseError
from algo_panda.domain.status import StrategyStatus
from algo_panda.store.repository import StatusRepository

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)


REPEAT_SECONDS = 3600.0
"""How often everything is said again, so that it is not taken for that of a worker long gone."""


class StatusWriter:
    """A ``StatusSink`` with a thread of its own. A database that is away costs reports only.

    Args:
        repository: where reports go.
        worker: who says so; see ``StatusRepository.report``.
        repeat_seconds: how often all is said again.
    """

    def __init__(
        self, repository: StatusRepository, *, worker: str, repeat_seconds: float = REPEAT_SECONDS
    ) -> None:
        self._repository = repository
        self._worker = worker
        self._repeat_seconds = repeat_seconds
        self._newest: dict[tuple[UUID, int | None], StrategyStatus] = {}
        self._queue: queue.SimpleQueue[StrategyStatus | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="status", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def report(self, status: StrategyStatus, /) -> None:
        """Take a status; it is written soon."""
        self._queue.put(status)

    def _write(self) -> None:
        repeat_at = time.monotonic() + self._repeat_seconds
        while True:
            try:
                status = self._queue.get(timeout=max(0.0, repeat_at - time.monotonic()))
            except queue.Empty:
                self._say(*self._newest.values())
                repeat_at = time.monotonic() + self._repeat_seconds
                continue
            if status is None:
                return
            self._newest[status.strategy_id, status.instrument_token] = status
            self._say(status)

    def _say(self, *statuses: StrategyStatus) -> None:
        try:
            self._repository.report(*statuses, worker=self._worker)
        except DatabaseError as error:
            logger.warning("%d statuses of strategies not written: %s", len(statuses), error)
        except Exception:
            # Without this the thread would end, and nothing would be written any more.
            logger.exception("%d statuses of strategies not written", len(statuses))
