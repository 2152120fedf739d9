"""What workers say of strategies, on SQLite and PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Delete, and_, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store.database import Database
from algo_panda.store.repository import FORGOTTEN_AFTER, Clock, ReportedStatus
from algo_panda.store.revision import at_head
from algo_panda.store.tables import status_key, strategy_status

_columns = strategy_status.c


class SqlStatusRepository:
    """``StatusRepository`` on the table ``strategy_status``."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def report(self, *statuses: StrategyStatus, worker: str) -> None:
        """Put each in the place of what ``worker`` said of that strategy and instrument."""
        now = self._clock()
        with at_head(self._database, writes=True) as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            for status in statuses:
                if status.instrument_token is None:
                    connection.execute(_taking_back(status, worker, now))
                said = {
                    "state": status.state.value,
                    "reason": None if status.reason is None else _storable(status.reason),
                    "strategy_version": status.strategy_version,
                    "updated_at": now,
                }
                statement = dialect.insert(strategy_status).values(
                    strategy_id=str(status.strategy_id),
                    instrument_token=status.instrument_token,
                    worker=worker,
                    **said,
                )
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=status_key.expressions, set_=said
                    )
                )

    def list(self) -> tuple[ReportedStatus, ...]:
        """Return the entries of workers that run, oldest first."""
        query = (
            select(strategy_status)
            .where(_columns.updated_at >= self._clock() - FORGOTTEN_AFTER)
            .order_by(_columns.updated_at, _columns.entry)
        )
        with at_head(self._database) as connection:
            return tuple(
                ReportedStatus(
                    status=StrategyStatus(
                        strategy_id=UUID(row.strategy_id),
                        strategy_version=row.strategy_version,
                        state=StrategyState(row.state),
                        reason=row.reason,
                        instrument_token=row.instrument_token,
                    ),
                    worker=row.worker,
                    updated_at=row.updated_at,
                )
                for row in connection.execute(query)
            )

    def clear(self, strategy_id: UUID) -> None:
        """Forget what all workers said of a strategy."""
        gone = _columns.strategy_id == str(strategy_id)
        with at_head(self._database, writes=True) as connection:
            connection.execute(delete(strategy_status).where(gone))


def _storable(reason: str) -> str:
    """``reason`` without what PostgreSQL cannot keep; an exception's message may hold anything."""
    return reason.encode(errors="replace").decode().replace("\0", "?")


def _taking_back(status: StrategyStatus, worker: str, now: datetime) -> Delete:
    other_version = _columns.strategy_version != status.strategy_version
    return delete(strategy_status).where(
        _columns.strategy_id == str(status.strategy_id),
        or_(
            and_(_columns.worker == worker, other_version),
            _columns.updated_at < now - FORGOTTEN_AFTER,
        ),
    )
