"""Takes a database from one revision to another, with Alembic and without a file of settings."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from algo_panda.domain.errors import ConfigurationError, DatabaseError
from algo_panda.store.database import Database
from algo_panda.store.revision import WrongRevisionError, advice, current_revision
from algo_panda.store.tables import HEAD

BASE = "base"
"""The revision before the first: no tables of ours."""

_TABLE = "strategy_configurations"
_ADVISORY_LOCK = 0x70616E6461
"""Names our migrations among PostgreSQL's advisory locks: "panda" in ASCII."""


class UnknownRevisionError(ConfigurationError):
    """There is no such revision, or it cannot be reached in that direction."""


class ForeignTableError(DatabaseError):
    """A table of our name is there that is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """From where to where a database was taken; None is the base."""

    before: str | None
    after: str | None


def upgrade(database: Database, revision: str = HEAD) -> Migrated:
    """Take ``database`` up to ``revision``; a SQLite file is made where there is none.

    A ``strategy_configurations`` that was made without Alembic is taken for revision 1.
    Processes that do this at the same time wait for each other; the second finds nothing to do.

    Raises:
        UnknownRevisionError: no such revision, or the database is past it.
        WrongRevisionError: the database is at a revision that this version does not know.
        ForeignTableError: there is a table of that name that has not the columns of revision 1.
        DatabaseUnavailableError: for everything that the driver raises; nothing was changed.
    """
    database.make_file()
    with _locked(database) as connection:
        before = current_revision(connection)
        _check_known(database, before)
        config = _config(connection)
        if before is None and inspect(connection).has_table(_TABLE):
            before = _adopt(connection, config)
        if _position(revision) < _position(before):
            raise UnknownRevisionError(f"the database is at revision {before}, past {revision}")
        command.upgrade(config, revision)
        return Migrated(before=before, after=current_revision(connection))


def downgrade(database: Database, revision: str) -> Migrated:
    """Take ``database`` down to ``revision``, or to ``base``; ``losses`` says what goes.

    Raises:
        UnknownRevisionError: no such revision, or the database is below it.
        DatabaseUnavailableError: for everything that the driver raises; nothing was changed.
    """
    with _locked(database) as connection:
        before = current_revision(connection)
        _check_known(database, before)
        _check_below(before, revision)
        command.downgrade(_config(connection), revision)
        return Migrated(before=before, after=current_revision(connection))


def losses(database: Database, revision: str) -> tuple[str, ...]:
    """What data a downgrade to ``revision`` would lose: a sentence per kind, none if nothing.

    Raises:
        UnknownRevisionError: no such revision, or the database is below it.
        DatabaseUnavailableError: for everything that the driver raises.
    """
    with database.transaction() as connection:
        before = current_revision(connection)
        _check_known(database, before)
        _check_below(before, revision)
        scripts = ScriptDirectory.from_config(_config(connection))
        found: list[str] = []
        for script in scripts.iterate_revisions(before or BASE, revision):
            loss: Callable[[Connection], str | None] = script.module.loss
            sentence = loss(connection)
            if sentence is not None:
                found.append(sentence)
        return tuple(found)


@contextmanager
def _locked(database: Database) -> Generator[Connection]:
    with database.transaction(writes=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        yield connection


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "algo_panda.store:migrations")
    config.attributes["connection"] = connection
    return config


def _adopt(connection: Connection, config: Config) -> str:
    """Take a table that was there before these migrations for that of revision 1."""
    wanted = {
        "id",
        "strategy_type",
        "parameters",
        "instruments",
        "enabled",
        "zerodha_trading_enabled",
        "version",
        "created_at",
        "updated_at",
    }
    found = {column["name"] for column in inspect(connection).get_columns(_TABLE)}
    if not wanted <= found or {"active_brokers", "validator_type"} & found:
        raise ForeignTableError(
            f"the database has a table {_TABLE} with other columns ({', '.join(sorted(found))}):"
            f" rename it, or give it the columns {', '.join(sorted(wanted))}"
        )
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ALTER TABLE {_TABLE} ALTER COLUMN instruments TYPE bigint[]"))
    command.stamp(config, "1")
    return "1"


def _position(revision: str | None) -> int:
    if revision is None or revision == BASE:
        return 0
    if not revision.isdecimal() or not 0 < int(revision) <= int(HEAD):
        known = ", ".join([BASE, *(str(number) for number in range(1, int(HEAD) + 1))])
        raise UnknownRevisionError(f"there is no revision {revision!r}; known: {known}")
    return int(revision)


def _check_known(database: Database, before: str | None) -> None:
    if before is not None and not (before.isdecimal() and 0 < int(before) <= int(HEAD)):
        raise WrongRevisionError(advice(database, before))


def _check_below(before: str | None, revision: str) -> None:
    if _position(revision) > _position(before):
        raise UnknownRevisionError(
            f"the database is at revision {before or BASE}, already below {revision}"
        )
