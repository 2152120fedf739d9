"""The repositories in memory: what tests and try-outs put in the place of a database."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.status import StrategyStatus
from algo_panda.domain.trading import KNOWN_BROKERS
from algo_panda.store.acceptance import Acceptance, accepted_parameters
from algo_panda.store.repository import (
    FORGOTTEN_AFTER,
    Check,
    Clock,
    ListedStrategies,
    LoadedStrategies,
    NoSuchStrategyError,
    ReportedStatus,
    StoredStrategy,
    StrategyExistsError,
    StrategyRefusedError,
    UnusableRow,
)
from algo_panda.store.rows import RawRow, enabled_only, read_row, row_of, sorted_out


class InMemoryStrategyRepository:
    """``StrategyRepository`` in a dictionary of rows.

    Args:
        check: see ``algo_panda.store.repository.Check``.
        brokers: the known ones.
        clock: the time of changes.
        rows: rows that are there already, usable or not: all columns, as SQLite would give them.
    """

    def __init__(
        self,
        *,
        check: Check,
        brokers: Collection[str] = KNOWN_BROKERS,
        clock: Clock,
        rows: Collection[RawRow] = (),
    ) -> None:
        self._rows: dict[str, dict[str, Any]] = {str(row["id"]): dict(row) for row in rows}
        self._acceptance = Acceptance(check=check, brokers=brokers)
        self._clock = clock

    def load(self) -> LoadedStrategies:
        """The enabled rows."""
        return enabled_only(self.list())

    def list(self) -> ListedStrategies:
        """All rows."""
        ordered = sorted(self._rows.values(), key=lambda row: (str(row["created_at"]), row["id"]))
        return sorted_out(ordered, self._acceptance)

    def get(self, strategy_id: UUID) -> StoredStrategy | UnusableRow | None:
        """One row."""
        row = self._rows.get(str(strategy_id))
        return None if row is None else read_row(row, self._acceptance)

    def add(self, config: StrategyConfig) -> None:
        """Store a new row."""
        row = row_of(self._acceptance.accepted(config), self._clock())
        if str(config.id) in self._rows:
            raise StrategyExistsError(config.id)
        self._rows[str(config.id)] = row

    def enable(self, strategy_id: UUID) -> bool:
        """Let workers run it."""
        return self._switch(strategy_id, enabled=True)

    def disable(self, strategy_id: UUID) -> bool:
        """Let workers run it no more."""
        return self._switch(strategy_id, enabled=False)

    def update_parameters(self, strategy_id: UUID, parameters: Mapping[str, Any]) -> StoredStrategy:
        """Put ``parameters`` in the place of those there are."""
        changed = self._changed(strategy_id, parameters=accepted_parameters(parameters))
        stored = read_row(changed, self._acceptance)
        if isinstance(stored, UnusableRow):
            raise StrategyRefusedError(stored.reason)
        self._rows[str(strategy_id)] = changed
        return stored

    def _switch(self, strategy_id: UUID, *, enabled: bool) -> bool:
        changed = self._changed(strategy_id, enabled=enabled)
        if self._rows[str(strategy_id)]["enabled"] == enabled:
            return False
        self._rows[str(strategy_id)] = changed
        return True

    def _changed(self, strategy_id: UUID, **columns: object) -> dict[str, Any]:
        row = self._rows.get(str(strategy_id))
        if row is None:
            raise NoSuchStrategyError(strategy_id)
        return {**row, **columns, "version": row["version"] + 1, "updated_at": self._clock()}


class InMemoryStatusRepository:
    """``StatusRepository`` in a dictionary.

    Args:
        clock: the time of reports.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[tuple[UUID, str, int | None], ReportedStatus] = {}

    def report(self, *statuses: StrategyStatus, worker: str) -> None:
        """Put each in the place of what ``worker`` said of that strategy and instrument."""
        now = self._clock()
        for status in statuses:
            if status.instrument_token is None:
                self._take_back(status, worker, now)
            key = (status.strategy_id, worker, status.instrument_token)
            self._entries.pop(key, None)
            self._entries[key] = ReportedStatus(status=status, worker=worker, updated_at=now)

    def list(self) -> tuple[ReportedStatus, ...]:
        """Return the entries of workers that run, oldest first."""
        oldest = self._clock() - FORGOTTEN_AFTER
        return tuple(one for one in self._entries.values() if one.updated_at >= oldest)

    def clear(self, strategy_id: UUID) -> None:
        """Forget what all workers said of a strategy."""
        self._entries = {k: v for k, v in self._entries.items() if k[0] != strategy_id}

    def _take_back(self, status: StrategyStatus, worker: str, now: datetime) -> None:
        def stays(entry: ReportedStatus) -> bool:
            if entry.status.strategy_id != status.strategy_id:
                return True
            outdated = entry.status.strategy_version != status.strategy_version
            gone = entry.updated_at < now - FORGOTTEN_AFTER
            return not gone and not (entry.worker == worker and outdated)

        self._entries = {key: entry for key, entry in self._entries.items() if stays(entry)}
