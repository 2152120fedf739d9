"""A database of an earlier version opens after ``panda db upgrade``; one of a later is refused."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import pytest

from algo_panda.store.tables import HEAD
from tests.support.golden import Golden

CONFIGURATIONS = (
    "id, strategy_type, parameters, instruments, active_brokers, validator_type, enabled,"
    " zerodha_trading_enabled, version, created_at, updated_at"
)
STATUSES = "strategy_id, state, reason, instrument_token, strategy_version, worker, updated_at"


def read(golden: Golden, columns: str, table: str) -> list[tuple[Any, ...]]:
    """What the tables hold, by sqlite3 alone."""
    with closing(sqlite3.connect(golden.data / "panda.db")) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}").fetchall()


def rows(golden: Golden) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    return (
        read(golden, CONFIGURATIONS, "strategy_configurations"),
        read(golden, STATUSES, "strategy_status"),
    )


def parsed(row: Sequence[Any]) -> dict[str, Any]:
    names = [name.strip() for name in CONFIGURATIONS.split(",")]
    values = dict(zip(names, row, strict=True))
    for name in ("parameters", "instruments", "active_brokers"):
        values[name] = None if values[name] is None else json.loads(values[name])
    for name in ("enabled", "zerodha_trading_enabled"):
        values[name] = bool(values[name])
    for name in ("created_at", "updated_at"):
        values[name] = values[name].replace(" ", "T") + "Z"
    return values


def stored(shown: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    for status in shown["status"]:
        time = status["updated_at"].replace("T", " ").removesuffix("Z")
        found = [status[name.strip()] for name in STATUSES.split(",")[1:-1]]
        yield (shown["id"], *found, time)


def test_strategies_versions_and_statuses_are_as_they_were(golden: Golden) -> None:
    configurations, statuses = rows(golden)

    upgraded = golden.panda("db", "upgrade")
    assert (upgraded.returncode, upgraded.stdout) == (0, f"{HEAD}\n"), upgraded.stderr
    assert rows(golden) == (configurations, statuses)

    listed = golden.panda("strategies", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    shown = {row["id"]: row for row in json.loads(listed.stdout)}
    expected = {row[0]: parsed(row) for row in configurations}
    assert shown.keys() == expected.keys()
    usable = {name: row for name, row in shown.items() if row["usable"]}
    assert {name: {key: row[key] for key in expected[name]} for name, row in usable.items()} == {
        name: expected[name] for name in usable
    }
    unusable = {row["strategy_type"] for row in shown.values() if not row["usable"]}
    assert unusable == {"gone"}
    found = [entry for row in shown.values() for entry in stored(row)]
    assert sorted(found, key=str) == sorted(statuses, key=str)


def test_the_fixture_holds_what_a_database_can_hold(golden: Golden) -> None:
    configurations = [
        parsed(row) for row in read(golden, CONFIGURATIONS, "strategy_configurations")
    ]
    states = {row[1] for row in read(golden, STATUSES, "strategy_status")}

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
    "command",
    [("db", "upgrade"), ("db", "downgrade", "1"), ("strategies", "list")],
    ids=" ".join,
)
def test_a_database_of_another_version_is_refused_with_instructions(
    golden: Golden, command: tuple[str, ...], revision: str, expected: str
) -> None:
    with closing(sqlite3.connect(golden.data / "panda.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    before = rows(golden)

    done = golden.panda(*command)
    assert done.returncode == 5
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert rows(golden) == before
