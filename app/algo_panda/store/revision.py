"""At which revision a database is, and the refusal to work on another than ours."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection, inspect, text

from algo_panda.domain.errors import DatabaseError
from algo_panda.store.database import Database
from algo_panda.store.tables import HEAD


class WrongRevisionError(DatabaseError):
    """The tables are not those that this version of the program works on."""


def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None where it has never been migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


@contextmanager
def at_head(database: Database, *, writes: bool = False) -> Generator[Connection]:
    """A transaction on a database that is at our revision.

    Asked anew each time, for a database may be downgraded under a running worker.

    Raises:
        WrongRevisionError: it is at another; the message says what to do.
        DatabaseUnavailableError: for everything that the driver raises.
    """
    with database.transaction(writes=writes) as connection:
        found = current_revision(connection)
        if found is None:
            raise WrongRevisionError(f"database {database} is empty: run 'panda db upgrade'")
        if found != HEAD:
            raise WrongRevisionError(advice(database, found))
        yield connection


def advice(database: Database, found: str) -> str:
    """Say what to do about a database at a revision that is not ours."""
    if not found.isdecimal() or int(found) < 1:
        return (
            f"database is at revision {found!r}, which no version of algo-panda has:"
            f" restore a backup, or name another database in PANDA_DATABASE_URL ({database})"
        )
    if int(found) < int(HEAD):
        return f"database is at revision {found}, run 'panda db upgrade' ({database})"
    return (
        f"database is at revision {found}, newer than the {HEAD} of this program:"
        f" upgrade algo-panda ({database})"
    )
