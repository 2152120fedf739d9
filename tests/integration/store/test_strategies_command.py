"""``panda db`` and ``panda strategies``, on a SQLite file, with the real strategy types."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.domain.errors import ConfigurationError, PandaError
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store.database import Database
from algo_panda.store.sql_status import SqlStatusRepository
from algo_panda.store.templates import TEMPLATES

Panda = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "panda.db"


@pytest.fixture
def panda(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> Panda:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_DATABASE_URL", f"sqlite:///{file}")
    monkeypatch.setenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    def run(*arguments: str, answer: str | None = None) -> Result:
        result = CliRunner().invoke(app, arguments, input=answer)
        if isinstance(result.exception, PandaError):
            raise result.exception
        return result

    return run


@pytest.fixture
def seeded(panda: Panda) -> Panda:
    assert panda("db", "upgrade").stdout == "5\n"
    assert panda("strategies", "seed").exit_code == 0
    return panda


def listed(panda: Panda) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(panda("strategies", "list", "--json").stdout)
    return found


def test_seeding_gives_one_row_of_each_built_in_type_once(seeded: Panda) -> None:
    before = listed(seeded)
    assert [row["strategy_type"] for row in before] == [t.strategy_type for t in TEMPLATES]
    for row in before:
        assert (row["instruments"], row["brokers"]) == ([1001, 1002], ["paper"])
        assert (row["usable"], row["enabled"], row["version"]) == (True, True, 1)
    seeded("strategies", "disable", before[0]["id"])
    again = seeded("strategies", "seed", "--instruments", "7", "--brokers", "zerodha")
    assert again.stdout.split() == [row["id"] for row in before]
    assert "left as it is" in again.stderr
    assert listed(seeded)[1:] == before[1:]
    assert listed(seeded)[0]["version"] == 2


def test_the_instruments_and_brokers_of_seeds_are_options(panda: Panda) -> None:
    panda("db", "upgrade")
    panda("strategies", "seed", "--instruments", "5,6", "--brokers", "zerodha,paper")
    assert {tuple(row["instruments"]) for row in listed(panda)} == {(5, 6)}
    assert {tuple(row["active_brokers"]) for row in listed(panda)} == {("zerodha", "paper")}


def test_a_strategy_is_added_as_it_was_described(seeded: Panda) -> None:
    added = seeded(
        *("strategies", "add", "rules_rsi", "--instruments", "408065"),
        *("--param", "period=10", "--param", "trigger=cross"),
        *("--signals-only", "--validator", "strict_risk"),
    )
    row = json.loads(seeded("strategies", "show", added.stdout.strip(), "--json").stdout)
    assert row["parameters"] == {"period": 10, "trigger": "cross"}
    assert (row["active_brokers"], row["brokers"], row["validator"]) == ([], [], "strict_risk")
    assert row["instruments"] == [408065]


def test_an_id_can_be_chosen(seeded: Panda) -> None:
    chosen = "11111111-2222-3333-4444-555555555555"
    arguments = ("strategies", "add", "ml_momentum", "--instruments", "1", "--id", chosen)
    assert seeded(*arguments).stdout.strip() == chosen
    with pytest.raises(ConfigurationError, match="already"):
        seeded(*arguments)
    assert listed(seeded)[-1]["active_brokers"] is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nope", "--instruments", "1"), "unknown strategy type 'nope'; known: hybrid_ml_rsi"),
        (("rules_rsi", "--instruments", "0"), "0 is not between"),
        (("rules_rsi", "--instruments", "1,1"), "1 is named more than once"),
        (("rules_rsi", "--instruments", "1", "--brokers", "nope"), "unknown broker 'nope'"),
        (("rules_rsi", "--instruments", "1", "--validator", "nope"), "unknown validator type"),
        (("rules_rsi", "--instruments", "1", "--param", "perid=14"), "unknown parameter 'perid'"),
        (("rules_rsi", "--instruments", "1", "--param", "bar_seconds=0"), "bar_seconds is 0"),
    ],
)
def test_what_cannot_be_used_is_not_added(
    seeded: Panda, arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        seeded("strategies", "add", *arguments)
    assert len(listed(seeded)) == len(TEMPLATES)


def test_brokers_and_signals_only_exclude_each_other(seeded: Panda) -> None:
    arguments = ("rules_rsi", "--instruments", "1", "--brokers", "paper", "--signals-only")
    result = seeded("strategies", "add", *arguments)
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_strategies_are_switched_by_the_beginnings_of_their_ids(seeded: Panda) -> None:
    ids = [row["id"] for row in listed(seeded)]
    result = seeded("strategies", "disable", ids[0][:6], ids[2][:6])
    assert result.stdout.split() == [ids[0], ids[2]]
    assert [row["enabled"] for row in listed(seeded)] == [False, True, False]
    seeded("strategies", "enable", ids[0][:6], ids[1][:6])
    assert [(r["enabled"], r["version"]) for r in listed(seeded)] == [
        (True, 3),
        (True, 1),
        (False, 2),
    ]


def test_what_changes_is_said_to_take_effect_at_the_next_start(seeded: Panda) -> None:
    (first, *_) = [row["id"] for row in listed(seeded)]
    added = seeded("strategies", "add", "rules_rsi", "--instruments", "1")
    assert added.stderr == "rules_rsi added; runner workers take this up at their next start\n"
    assert seeded("strategies", "disable", first).stderr.splitlines() == [
        f"{first} is now disabled",
        "runner workers that are up go on as before until they are started again",
    ]
    assert seeded("strategies", "disable", first).stderr == f"{first} was already disabled\n"
    assert seeded("strategies", "enable", first).stderr.splitlines() == [
        f"{first} is now enabled",
        "runner workers take this up at their next start",
    ]


def test_an_id_that_is_not_there_changes_nothing(seeded: Panda) -> None:
    before = listed(seeded)
    with pytest.raises(ConfigurationError, match="no strategy id begins with 'zzz'"):
        seeded("strategies", "disable", before[0]["id"], "zzz")
    assert listed(seeded) == before


def test_the_list_shows_bad_rows_and_what_workers_say(seeded: Panda, file: Path) -> None:
    bad = "deadbeef-2222-3333-4444-555555555555"
    with sqlite3.connect(file) as connection:
        connection.execute(
            "INSERT INTO strategy_configurations (id, strategy_type, instruments)"
            f" VALUES ('{bad}', 'old_type', '[1]')"
        )
    connection.close()
    model = next(row for row in listed(seeded) if row["strategy_type"] == "ml_momentum")
    status = StrategyStatus(
        strategy_id=UUID(model["id"]),
        strategy_version=1,
        state=StrategyState.DISABLED,
        reason="model file [x.onnx] is missing",
    )
    with Database(f"sqlite:///{file}") as database:
        reported_at = datetime.now(UTC).replace(microsecond=0)
        SqlStatusRepository(database, clock=lambda: reported_at).report(status, worker="runner-0")
        gone_at = reported_at - timedelta(hours=1)
        SqlStatusRepository(database, clock=lambda: gone_at).report(status, worker="dead")

    rows = {row["id"]: row for row in listed(seeded)}
    assert rows[model["id"]]["status"] == [
        {
            "state": "disabled",
            "reason": "model file [x.onnx] is missing",
            "instrument_token": None,
            "strategy_version": 1,
            "worker": "runner-0",
            "updated_at": f"{reported_at:%Y-%m-%dT%H:%M:%SZ}",
        }
    ]
    assert rows[bad]["usable"] is False
    assert rows[bad]["reason"].startswith("unknown strategy type 'old_type'; known: ")

    table = " ".join(seeded("strategies", "list").stdout.replace("│", " ").split())
    assert "disabled by runner-0: model file [x.onnx] is missing" in table
    assert "deadbeef" in table
    assert "cannot be used: unknown strategy type 'old_type'" in table
    shown = seeded("strategies", "show", model["id"][:8]).stdout
    assert "disabled by runner-0: model file [x.onnx] is missing" in shown
    assert "cannot be used" in seeded("strategies", "enable", "dead").stderr


def test_the_data_directory_may_have_any_name(
    panda: Panda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PANDA_DATABASE_URL")
    monkeypatch.setenv("PANDA_DATA_DIR", str(tmp_path / "50%20 off?"))
    panda("db", "upgrade")
    assert (tmp_path / "50%20 off?" / "panda.db").exists()
    assert listed(panda) == []


def test_an_empty_list_says_what_to_do(panda: Panda) -> None:
    panda("db", "upgrade")
    result = panda("strategies", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "panda strategies seed" in result.stderr
    assert listed(panda) == []


def test_the_revision_is_shown_raised_and_lowered(seeded: Panda) -> None:
    current = json.loads(seeded("db", "current", "--json").stdout)
    assert (current["revision"], len(current["id"])) == ("5", 36)
    assert "newest revision already" in seeded("db", "upgrade").stderr
    down = seeded("db", "downgrade", "1")
    assert (down.exit_code, down.stdout) == (0, "1\n")
    assert "warning: this deletes validator_type (rows: 0) and active_brokers (rows: 3" in (
        down.stderr
    )
    current = seeded("db", "current")
    assert (current.stdout, "run 'panda db upgrade'" in current.stderr) == ("1\n", True)
    seeded("db", "upgrade")
    assert len(listed(seeded)) == len(TEMPLATES)


def test_strategies_are_deleted_only_when_that_is_confirmed(seeded: Panda) -> None:
    for answer in (None, "n\n"):
        refused = seeded("db", "downgrade", "base", answer=answer)
        assert refused.exit_code == 1
        assert "this deletes all strategies (rows: 3)" in refused.stderr
        assert len(listed(seeded)) == len(TEMPLATES)
    assert seeded("db", "downgrade", "base", "--yes").stdout == "base\n"
    assert seeded("db", "current").stdout == "base\n"


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            ("strategies", "list"),
            5,
            "error: there is no database at {file}: run 'panda db upgrade'",
        ),
        (("db", "current"), 5, "error: there is no database at {file}: run 'panda db upgrade'"),
        (("db", "downgrade", "1"), 5, "error: there is no database at {file}: run 'panda db up"),
    ],
)
def test_the_program_ends_with_one_line_and_a_code(
    panda: Panda, file: Path, arguments: tuple[str, ...], code: int, line: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "algo_panda", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith(line.format(file=file))
    assert done.stderr.count("\n") == 1
