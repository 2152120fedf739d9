"""One database: its URL, its connections, and every failure of it as one line."""

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from algo_panda.domain.errors import ConfigurationError, DatabaseError
from algo_panda.extras import require

BUSY_TIMEOUT_SECONDS = 5
"""How long SQLite waits for another process that writes."""

CONNECT_TIMEOUT_SECONDS = 10
"""How long PostgreSQL may take to answer; ``connect_timeout`` in the URL changes it."""

_LOCKED_WAIT_SECONDS = 0.02
_WRITES = "panda_writes"
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_ADVICE = (
    ("readonly database", "give this user the right to write to the file and its folder"),
    ("unable to open", "give this user the right to read and write there"),
    ("database is locked", "another process is writing to it: try again"),
    ("file is not a database", "name another file in PANDA_DATABASE_URL, or move this one away"),
    ("password", "check user and password in PANDA_DATABASE_URL"),
    ("does not exist", "create it, or check PANDA_DATABASE_URL"),
    ("refused", "start the server, or check PANDA_DATABASE_URL"),
    ("timeout", "start the server, or check PANDA_DATABASE_URL"),
    ("resolve host", "check PANDA_DATABASE_URL"),
)


class InvalidDatabaseUrlError(ConfigurationError):
    """The database URL cannot be used as it is written."""


class DatabaseUnavailableError(DatabaseError):
    """The database cannot be reached, or it refused what was asked of it."""


class Database:
    """Connections to one database. Threads may share it; close it in the end.

    Making one does not connect. A SQLite file that is not there is not made by looking at it;
    ``algo_panda.store.migrate.upgrade`` makes it.

    Raises:
        InvalidDatabaseUrlError: the URL is of the wrong form, or of a database we do not support.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._engine = _engine(self._url)
        is_file = self._url.get_backend_name() == "sqlite"
        self._file = Path(self._url.database or "").absolute() if is_file else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        """Where it is, with stars for the password and without options, which may hold one."""
        if self.file is not None:
            return str(self.file)
        return self._url.set(drivername="postgresql", query={}).render_as_string()

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database, else None."""
        return self._file

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def make_file(self) -> None:
        """Make the file of a SQLite database, and its folder, where missing.

        Raises:
            DatabaseUnavailableError: the system does not let us.
        """
        if self.file is None:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            if not self.file.exists():
                self.file.touch()
        except OSError as error:
            raise DatabaseUnavailableError(
                f"the database {self.file} cannot be made: {error.strerror}: {error.filename}"
            ) from error

    @contextmanager
    def transaction(self, *, writes: bool = False) -> Generator[Connection]:
        """A transaction: committed at the end of the block, rolled back by an exception.

        Args:
            writes: it will write; SQLite then takes the write lock at once, since a transaction
                that read first can be refused it without waiting.

        Raises:
            DatabaseUnavailableError: for everything that the driver raises, here or in the block.
        """
        try:
            with self._engine.connect() as connection:
                connection.execution_options(**{_WRITES: writes})
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise DatabaseUnavailableError(self._explained(error)) from error

    def _explained(self, error: SQLAlchemyError) -> str:
        if self.file is not None and _is_missing(self.file):
            return f"there is no database at {self.file}: run 'panda db upgrade'"
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        said = " ".join(str(cause).split())
        advice = next((advice for part, advice in _ADVICE if part in said), None)
        return f"database {self}: {said}" + (f"; {advice}" if advice else "")


def _is_missing(file: Path) -> bool:
    try:
        return not file.exists()
    except OSError:
        return False


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Neither the URL nor the parser's words are repeated: a password may be in them.
        raise InvalidDatabaseUrlError(
            "PANDA_DATABASE_URL is not of the form postgresql://user:password@host:port/name"
            " or sqlite:////path/to/file"
        ) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise InvalidDatabaseUrlError(
            f"PANDA_DATABASE_URL is for {url.drivername}; supported: sqlite, postgresql"
        )
    if "@" in (url.host or ""):
        raise InvalidDatabaseUrlError(
            "PANDA_DATABASE_URL: write an '@' in the password as %40 (and '/' as %2F)"
        )
    if driver == "sqlite" and (url.database in {None, "", ":memory:"} or url.host):
        raise InvalidDatabaseUrlError(
            "PANDA_DATABASE_URL names no file: processes cannot share a SQLite database in memory;"
            " write sqlite:////path/to/file"
        )
    return url.set(drivername=driver)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    require("postgres", "a PostgreSQL database")
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    # A worker holds the engine for days: ask a pooled connection whether it still lives.
    return create_engine(url, connect_args=timeout, pool_pre_ping=True)


def _sqlite_engine(url: URL) -> Engine:
    # mode=rw: a missing file is an error, and not made anew without its tables.
    path = quote(str(Path(url.database or "").absolute()))
    address = url.set(database=f"file:{path}", query={**url.query, "uri": "true", "mode": "rw"})
    engine = create_engine(address, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _on_sqlite_connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # sqlite3 begins no transaction before DDL or SELECT; so we begin each one ourselves.
    connection.isolation_level = None
    _use_wal(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite's busy timeout does not cover this one switch."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_LOCKED_WAIT_SECONDS)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
