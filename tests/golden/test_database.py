"""A database of an earlier version opens after ``panda db upgrade``; one of a later is refused."""

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.domain.errors import DatabaseError
from algo_panda.store.tables import HEAD
from tests.support.golden import Golden

CONFIGURATIONS = (
    "id, strategy_type, parameters, instruments, active_brokers, validator_type, enabled,"
    " zerodha_trading_enabled, version, created_at, updated_at"
)
STATUSES = "strategy_id, state, reason, instrument_token, strategy_version, worker, updated_at"
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class StoredDatabase:
    """A database that an earlier version wrote, read by the drivers alone."""

    golden: Golden
    url: str

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.golden.data / "panda.db")) as file, file:
                return file.execute(statement).fetchall()
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def rows(self, columns: str, table: str) -> Rows:
        names = columns.split(", ")
        found = self.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2, {len(names)}")
        return [dict(zip(names, map(plain, names, row), strict=True)) for row in found]

    @property
    def configurations(self) -> Rows:
        return self.rows(CONFIGURATIONS, "strategy_configurations")

    @property
    def statuses(self) -> Rows:
        return self.rows(STATUSES, "strategy_status")

    def panda(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.golden.panda(*arguments, PANDA_DATABASE_URL=self.url)


def plain(name: str, value: Any) -> Any:
    """A value as JSON has it, whichever database it is from."""
    match name:
        case "parameters" | "instruments" | "active_brokers" if isinstance(value, str):
            return json.loads(value)
        case "enabled" | "zerodha_trading_enabled":
            return bool(value)
        case "created_at" | "updated_at":
            time = datetime.fromisoformat(value) if isinstance(value, str) else value
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        case "id" | "strategy_id":
            return str(value)
        case _:
            return value


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, golden: Golden) -> StoredDatabase:
    if request.param == "sqlite":
        return StoredDatabase(golden, f"sqlite:///{golden.data / 'panda.db'}")
    dump = golden.fixture / "postgresql.sql"
    url: str = request.getfixturevalue("postgresql_url")
    with psycopg.connect(url) as connection:
        # The dump names the schema "public" and unsets the search path; a test has its own schema.
        statements = [
            line
            for line in dump.read_text().replace("public.", "").splitlines()
            if "set_config('search_path'" not in line
        ]
        connection.execute("\n".join(statements))  # type: ignore[call-overload]
    return StoredDatabase(golden, url)


def test_strategies_versions_and_statuses_are_as_they_were(database: StoredDatabase) -> None:
    configurations, statuses = database.configurations, database.statuses

    upgraded = database.panda("db", "upgrade")
    assert (upgraded.returncode, upgraded.stdout) == (0, f"{HEAD}\n"), upgraded.stderr
    assert (database.configurations, database.statuses) == (configurations, statuses)

    listed = database.panda("strategies", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    shown = {row["id"]: row for row in json.loads(listed.stdout)}
    assert shown.keys() == {row["id"] for row in configurations}
    for row in configurations:
        found = shown[row["id"]]
        assert found["usable"] == (row["strategy_type"] != "gone")
        names = row if found["usable"] else ("strategy_type", "enabled", "version")
        assert {name: plain(name, found[name]) for name in names} == {n: row[n] for n in names}
    # Its workers are long gone, so nothing is shown of what they reported.
    assert [row["status"] for row in shown.values()] == [[]] * len(shown)
    assert statuses


def test_the_fixture_holds_what_a_database_can_hold(database: StoredDatabase) -> None:
    configurations = database.configurations

    states = {row["state"] for row in database.statuses}
    assert states >= {"registered", "disabled", "quarantined", "invalid"}
    assert {row["version"] for row in configurations} == {1, 2}
    assert {row["enabled"] for row in configurations} == {True, False}
    brokers = [row["active_brokers"] for row in configurations]
    assert all(given in brokers for given in (None, [], ["zerodha"]))


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("97", f"database is at revision 97, newer than the {HEAD} of this program: upgrade"),
        ("f00d", "database is at revision 'f00d', which no version of algo-panda has: restore"),
    ],
)
@pytest.mark.parametrize(
    "command", ["db upgrade", "db downgrade 1", "strategies list", "db current"]
)
def test_a_database_of_another_version_is_refused_with_instructions(
    database: StoredDatabase,
    command: str,
    revision: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PANDA_DATABASE_URL", database.url)
    database.execute(f"UPDATE alembic_version SET version_num = '{revision}'")
    before = (database.configurations, database.statuses)

    done = CliRunner().invoke(app, command.split())
    if command == "db current":
        assert (done.exit_code, done.stdout) == (0, f"{revision}\n")
        assert expected in done.stderr
    else:
        assert isinstance(done.exception, DatabaseError)
        assert expected in str(done.exception)
    assert (database.configurations, database.statuses) == before
