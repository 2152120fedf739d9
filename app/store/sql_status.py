"""What workers say of strategies, on SQLite and PostgreSQL."""

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from app.store.database import Database
from app.store.repository import StrategyState, StrategyStatus
from app.store.revision import at_head
from app.store.tables import status_key, strategy_status


class SqlStatusRepository:
    """``StatusRepository`` on the table ``strategy_status``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, *statuses: StrategyStatus) -> None:
        """Put each in the place of what that worker said of that strategy and instrument."""
        with at_head(self._database, writes=True) as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            for status in statuses:
                said = {
                    "state": status.state.value,
                    "reason": status.reason,
                    "strategy_version": status.strategy_version,
                    "updated_at": status.updated_at,
                }
                statement = dialect.insert(strategy_status).values(
                    strategy_id=status.strategy_id,
                    instrument_token=status.instrument_token,
                    worker=status.worker,
                    **said,
                )
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=status_key.expressions, set_=said
                    )
                )

    def list(self) -> tuple[StrategyStatus, ...]:
        """All entries, oldest first."""
        columns = strategy_status.c
        query = select(strategy_status).order_by(columns.updated_at, columns.entry)
        with at_head(self._database) as connection:
            return tuple(
                StrategyStatus(
                    strategy_id=row.strategy_id,
                    instrument_token=row.instrument_token,
                    state=StrategyState(row.state),
                    reason=row.reason,
                    strategy_version=row.strategy_version,
                    worker=row.worker,
                    updated_at=row.updated_at,
                )
                for row in connection.execute(query)
            )

    def clear(self, strategy_id: str) -> None:
        """Forget what all workers said of a strategy."""
        with at_head(self._database, writes=True) as connection:
            connection.execute(
                delete(strategy_status).where(strategy_status.c.strategy_id == strategy_id)
            )
