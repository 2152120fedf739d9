"""The id of a database: made once, with its tables, and never changed."""

from sqlalchemy import select

from algo_panda.domain.errors import DatabaseError
from algo_panda.store.database import Database
from algo_panda.store.revision import at_head
from algo_panda.store.tables import database_identity


class DatabaseWithoutIdError(DatabaseError):
    """The table that holds the id does not hold exactly one."""


def database_id(database: Database) -> str:
    """Return the id of a database: a uuid.

    Raises:
        DatabaseError: the database is out of reach, is at another revision, or has lost its id.
    """
    with at_head(database) as connection:
        found = connection.execute(select(database_identity.c.id)).scalars().all()
    if len(found) != 1:
        raise DatabaseWithoutIdError(
            f"database {database}: the table database_identity has {len(found)} rows instead of"
            " one: restore it from a backup, or insert one row with a uuid as its id"
        )
    return str(found[0])
