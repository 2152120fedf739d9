"""Writes what the runner says of strategies into the database, without making it wait."""

import logging
import queue
import threading
from types import TracebackType
from typing import Self

from app.domain.errors import DatabaseError
from app.domain.status import StrategyStatus
from app.store.repository import StatusRepository

logger = logging.getLogger(__name__)


class StatusWriter:
    """A ``StatusSink`` with a thread of its own. A database that is away costs reports only."""

    def __init__(self, repository: StatusRepository, *, worker: str) -> None:
        self._repository = repository
        self._worker = worker
        self._queue: queue.SimpleQueue[StrategyStatus | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="status", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join()

    def report(self, status: StrategyStatus, /) -> None:
        """Take a status; it is written soon."""
        self._queue.put(status)

    def _write(self) -> None:
        while (status := self._queue.get()) is not None:
            try:
                self._repository.report(status, worker=self._worker)
            except DatabaseError as error:
                logger.warning("status of strategy %s not written: %s", status.strategy_id, error)
