"""What the program asks of the database, and the values that it answers with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.status import StrategyState, StrategyStatus

Clock = Callable[[], datetime]
"""Says what time it is, aware."""

Check = Callable[[StrategyConfig], object]
"""Raises ``ValueError`` where a configuration's type, validator or parameters will not do."""


class NoSuchStrategyError(ConfigurationError):
    """There is no row with that id."""

    def __init__(self, strategy_id: UUID) -> None:
        super().__init__(f"there is no strategy {strategy_id}; see 'panda strategies list'")


class StrategyExistsError(ConfigurationError):
    """There is a row with that id already."""

    def __init__(self, strategy_id: UUID) -> None:
        super().__init__(f"there is a strategy {strategy_id} already; choose another id")


class StrategyRefusedError(ConfigurationError):
    """A configuration that could not be used is not stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStrategy:
    """A row that can be used."""

    config: StrategyConfig
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableRow:
    """A row that cannot be used, and why."""

    id: str
    """As it stands in the row; SQLite lets it be anything."""
    reason: str
    """One sentence that names the column."""
    strategy_type: str | None
    """None where that cannot be read either."""
    enabled: bool | None
    """None where that cannot be read either."""
    version: int
    """0 where that cannot be read either."""

    @property
    def status(self) -> StrategyStatus | None:
        """What a worker reports of it; None where the id is no uuid to report it under."""
        try:
            strategy_id = UUID(self.id)
        except ValueError:
            return None
        return StrategyStatus(
            strategy_id=strategy_id,
            strategy_version=self.version,
            state=StrategyState.INVALID,
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStrategies:
    """The enabled rows, oldest first."""

    usable: tuple[StrategyConfig, ...]
    unusable: tuple[UnusableRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedStrategies:
    """All rows, oldest first."""

    usable: tuple[StoredStrategy, ...]
    unusable: tuple[UnusableRow, ...]


class StrategyRepository(Protocol):
    """The rows of ``strategy_configurations``.

    A row that cannot be used is reported, and stops no other. Every change increments the row's
    ``version`` and sets ``updated_at``; what changes nothing does neither. Rows are never
    deleted: signals name the strategy, and the version of it, that they came from.

    Raises:
        DatabaseError: the database is out of reach, refuses us, or is at another revision.
    """

    def load(self) -> LoadedStrategies:
        """The enabled rows, for a worker."""
        ...

    def list(self) -> ListedStrategies:
        """All rows, for people."""
        ...

    def get(self, strategy_id: UUID) -> StoredStrategy | UnusableRow | None:
        """One row; None where there is none."""
        ...

    def add(self, config: StrategyConfig) -> None:
        """Store a new row.

        Raises:
            StrategyExistsError: there is one with that id.
            StrategyRefusedError: it could not be used.
        """
        ...

    def enable(self, strategy_id: UUID) -> bool:
        """Let workers run it; False where they may already.

        Raises:
            NoSuchStrategyError: there is no such row.
        """
        ...

    def disable(self, strategy_id: UUID) -> bool:
        """Let workers run it no more; False where they may not already.

        Raises:
            NoSuchStrategyError: there is no such row.
        """
        ...

    def update_parameters(self, strategy_id: UUID, parameters: Mapping[str, Any]) -> StoredStrategy:
        """Put ``parameters`` in the place of those there are; also mends a row that had bad ones.

        Raises:
            NoSuchStrategyError: there is no such row.
            StrategyRefusedError: with them it could not be used; nothing was changed.
        """
        ...


FORGOTTEN_AFTER = timedelta(minutes=5)
"""Age of a status whose worker does not run any more: workers repeat theirs every minute
(``status_writer.REPEAT_SECONDS``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStatus:
    """What one worker said of one strategy, and when."""

    status: StrategyStatus
    worker: str
    updated_at: datetime


class StatusRepository(Protocol):
    """What the running workers say: one entry per strategy, instrument and worker.

    Raises:
        DatabaseError: the database is out of reach, refuses us, or is at another revision.
    """

    def report(self, *statuses: StrategyStatus, worker: str) -> None:
        """Put each in the place of what ``worker`` said of that strategy and instrument.

        Said of a strategy as a whole, it also takes back what ``worker`` said of other versions,
        and what any worker said ``FORGOTTEN_AFTER`` ago and has not said again: it is gone.

        Args:
            statuses: all or none of them are stored.
            worker: a name, best the same after a restart.
        """
        ...

    def list(self) -> tuple[ReportedStatus, ...]:
        """Return the entries of workers that run, oldest first.

        An entry that was not repeated for ``FORGOTTEN_AFTER`` is left out.
        """
        ...

    def clear(self, strategy_id: UUID) -> None:
        """Forget what all workers said of a strategy."""
        ...
