"""The strategies on SQLite and PostgreSQL."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Label, insert, select, type_coerce, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import NullType

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.trading import KNOWN_BROKERS
from algo_panda.store.acceptance import Acceptance, accepted_parameters
from algo_panda.store.database import Database
from algo_panda.store.repository import (
    Check,
    Clock,
    ListedStrategies,
    LoadedStrategies,
    NoSuchStrategyError,
    StoredStrategy,
    StrategyExistsError,
    StrategyRefusedError,
    UnusableRow,
)
from algo_panda.store.revision import at_head
from algo_panda.store.rows import enabled_only, read_row, row_of, sorted_out
from algo_panda.store.tables import strategy_configurations as rows

# Every column as the driver gives it: what cannot be read is then found row by row.
_RAW: list[Label[Any]] = [type_coerce(column, NullType()).label(column.name) for column in rows.c]


class SqlStrategyRepository:
    """``StrategyRepository`` on the table ``strategy_configurations``."""

    def __init__(
        self,
        database: Database,
        *,
        check: Check,
        brokers: Collection[str] = KNOWN_BROKERS,
        clock: Clock,
    ) -> None:
        self._database = database
        self._acceptance = Acceptance(check=check, brokers=brokers)
        self._clock = clock

    def load(self) -> LoadedStrategies:
        """The enabled rows."""
        return enabled_only(self.list())

    def list(self) -> ListedStrategies:
        """All rows."""
        query = select(*_RAW).order_by(rows.c.created_at, rows.c.id)
        with at_head(self._database) as connection:
            found = connection.execute(query).mappings().all()
        return sorted_out((dict(row) for row in found), self._acceptance)

    def get(self, strategy_id: UUID) -> StoredStrategy | UnusableRow | None:
        """One row."""
        query = select(*_RAW).where(rows.c.id == str(strategy_id))
        with at_head(self._database) as connection:
            found = connection.execute(query).mappings().one_or_none()
        return None if found is None else read_row(dict(found), self._acceptance)

    def add(self, config: StrategyConfig) -> None:
        """Store a new row."""
        row = row_of(self._acceptance.accepted(config), self._clock())
        with at_head(self._database, writes=True) as connection:
            try:
                connection.execute(insert(rows).values(row))
            except IntegrityError as error:
                raise StrategyExistsError(config.id) from error

    def enable(self, strategy_id: UUID) -> bool:
        """Let workers run it."""
        return self._switch(strategy_id, enabled=True)

    def disable(self, strategy_id: UUID) -> bool:
        """Let workers run it no more."""
        return self._switch(strategy_id, enabled=False)

    def update_parameters(self, strategy_id: UUID, parameters: Mapping[str, Any]) -> StoredStrategy:
        """Put ``parameters`` in the place of those there are."""
        change = {"parameters": accepted_parameters(parameters), **self._stamp()}
        statement = update(rows).where(rows.c.id == str(strategy_id)).values(change)
        with at_head(self._database, writes=True) as connection:
            found = connection.execute(statement.returning(*_RAW)).mappings().one_or_none()
            if found is None:
                raise NoSuchStrategyError(strategy_id)
            stored = read_row(dict(found), self._acceptance)
            if isinstance(stored, UnusableRow):
                raise StrategyRefusedError(stored.reason)
            return stored

    def _switch(self, strategy_id: UUID, *, enabled: bool) -> bool:
        this = rows.c.id == str(strategy_id)
        change = update(rows).where(this, rows.c.enabled.is_distinct_from(enabled))
        with at_head(self._database, writes=True) as connection:
            changed = connection.execute(change.values(enabled=enabled, **self._stamp()))
            if changed.rowcount:
                return True
            if connection.execute(select(rows.c.id).where(this)).first() is None:
                raise NoSuchStrategyError(strategy_id)
            return False

    def _stamp(self) -> dict[str, Any]:
        return {"version": rows.c.version + 1, "updated_at": self._clock()}
