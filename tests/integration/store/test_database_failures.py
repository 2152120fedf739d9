import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store.database import Database, DatabaseUnavailableError
from algo_panda.store.migrate import upgrade
from algo_panda.store.repository import UnusableRow
from algo_panda.store.sql import SqlStrategyRepository
from algo_panda.store.sql_status import SqlStatusRepository
from algo_panda.store.status_writer import StatusWriter
from algo_panda.store.tables import HEAD
from tests.support.processes import eventually


def repository(database: Database) -> SqlStrategyRepository:
    return SqlStrategyRepository(
        database, check=lambda config: None, clock=lambda: datetime.now(UTC)
    )


def failure_of(url: str) -> str:
    with Database(url) as database, pytest.raises(DatabaseUnavailableError) as failure:
        repository(database).load()
    message = str(failure.value)
    assert "\n" not in message
    return message


def test_a_missing_file_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "panda.db"
    assert failure_of(f"sqlite:///{file}") == (
        f"there is no database at {file}: run 'panda db upgrade'"
    )
    assert not file.parent.exists()


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "panda.db").touch()
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        assert upgrade(database).after == HEAD


def test_another_kind_of_file_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are notes, and have been for a long time" * 100)
    message = failure_of(f"sqlite:///{file}")
    assert message.startswith(f"database {file}: file is not a database; name another file")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert "unable to open database file" in failure_of(f"sqlite:///{tmp_path}")


def test_a_name_that_no_file_can_have_is_one_line(tmp_path: Path) -> None:
    assert "unable to open database file" in failure_of(f"sqlite:///{tmp_path}/{'x' * 300}")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/file/panda.db"
    with Database(url) as database, pytest.raises(DatabaseUnavailableError) as failure:
        upgrade(database)
    assert str(failure.value).startswith(f"the database {tmp_path}/file/panda.db cannot be made: ")


def test_a_database_that_is_locked_too_long_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("algo_panda.store.database.BUSY_TIMEOUT_SECONDS", 0.05)
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        upgrade(database)
        other = sqlite3.connect(tmp_path / "panda.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailableError, match="another process is writing to it"):
            repository(database).disable(uuid4())
        assert repository(database).load().usable == ()
        other.close()


def test_readers_and_a_writer_share_a_sqlite_file(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        upgrade(database)
        with database.transaction() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA busy_timeout")) == 5000


@pytest.mark.parametrize("name", ["a b", "50% off", "what?", "#1", "é"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    url = make_url("sqlite://").set(database=f"{tmp_path}/{name}/panda.db")
    with Database(url.render_as_string()) as database:
        upgrade(database)
        assert repository(database).load().usable == ()
    assert (tmp_path / name / "panda.db").exists()


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        message = failure_of(f"postgresql://ann:hunter2@127.0.0.1:{port}/panda")
    assert f"database postgresql://ann:***@127.0.0.1:{port}/panda: " in message
    assert message.endswith("start the server, or check PANDA_DATABASE_URL")
    assert "hunter2" not in message


def test_a_wrong_password_is_one_line_without_it(postgresql_server: str) -> None:
    url = make_url(postgresql_server).set(password="hunter2")
    message = failure_of(url.render_as_string(hide_password=False))
    assert "hunter2" not in message
    assert message.endswith("check user and password in PANDA_DATABASE_URL")


def test_a_database_that_is_not_there_is_one_line(postgresql_server: str) -> None:
    url = make_url(postgresql_server).set(database="nowhere").render_as_string(hide_password=False)
    assert failure_of(url).endswith("create it, or check PANDA_DATABASE_URL")


def test_damaged_rows_leave_their_neighbours_alone(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        upgrade(database)
        fine = StrategyConfig(id=uuid4(), strategy_type="rules_rsi", instruments=(1001,))
        repository(database).add(fine)
        with database.transaction(writes=True) as connection:
            for row_id, parameters, enabled in (
                ("seven", "{}", 1),
                (str(uuid4()), "{", 1),
                (str(uuid4()), "{}", "yes"),
            ):
                connection.execute(
                    text(
                        "INSERT INTO strategy_configurations"
                        " (id, strategy_type, parameters, instruments, enabled)"
                        " VALUES (:id, 'rules_rsi', :parameters, '[1]', :enabled)"
                    ),
                    {"id": row_id, "parameters": parameters, "enabled": enabled},
                )
        loaded = repository(database).load()
        assert loaded.usable == (fine,)
        reasons = [row.reason for row in loaded.unusable]
        assert len(reasons) == 3
        assert any("id is not a uuid: 'seven'" in reason for reason in reasons)
        assert any("parameters is not JSON" in reason for reason in reasons)
        assert any("enabled is 'yes'" in reason for reason in reasons)


def test_damaged_arrays_in_postgresql_leave_their_neighbours_alone(postgresql_url: str) -> None:
    with Database(postgresql_url) as database:
        upgrade(database)
        fine = StrategyConfig(id=uuid4(), strategy_type="rules_rsi", instruments=(1001,))
        repository(database).add(fine)
        with database.transaction(writes=True) as connection:
            for instruments, parameters in (("{}", "{}"), ("{1,NULL}", "{}"), ("{1}", "[1]")):
                connection.execute(
                    text(
                        "INSERT INTO strategy_configurations"
                        " (id, strategy_type, parameters, instruments)"
                        f" VALUES ('{uuid4()}', 'rules_rsi', '{parameters}', '{instruments}')"
                    )
                )
        loaded = repository(database).load()
        assert loaded.usable == (fine,)
        assert sorted(row.reason for row in loaded.unusable) == [
            "instruments is empty: name at least one instrument token",
            "instruments: None is not an instrument token",
            "parameters is [1], not an object of names and values",
        ]


def test_a_row_by_hand_needs_no_more_than_type_and_instruments(database: Database) -> None:
    upgrade(database)
    row_id = uuid4()
    tokens = "[7]" if database.file else "{7}"
    with database.transaction(writes=True) as connection:
        connection.execute(
            text(
                "INSERT INTO strategy_configurations (id, strategy_type, instruments)"
                f" VALUES ('{row_id}', 'rules_rsi', '{tokens}')"
            )
        )
    assert repository(database).load().usable == (
        StrategyConfig(id=row_id, strategy_type="rules_rsi", instruments=(7,)),
    )


def test_changes_at_once_are_all_counted(database_url: str) -> None:
    with Database(database_url) as database:
        upgrade(database)
        added = StrategyConfig(id=uuid4(), strategy_type="rules_rsi", instruments=(7,))
        strategies = repository(database)
        strategies.add(added)
        with ThreadPoolExecutor(8) as pool:
            changes = [
                pool.submit(strategies.update_parameters, added.id, {"n": n}) for n in range(24)
            ]
            versions = sorted(change.result().config.version for change in changes)
        assert versions == list(range(2, 26))


def test_any_reason_can_be_reported(database: Database) -> None:
    upgrade(database)
    statuses = SqlStatusRepository(database, clock=lambda: datetime.now(UTC))
    reason = "no file 'a\0b\udc80'"
    statuses.report(
        StrategyStatus(
            strategy_id=uuid4(), strategy_version=1, state=StrategyState.DISABLED, reason=reason
        ),
        worker="runner-0",
    )
    assert statuses.list()[0].status.reason == "no file 'a?b?'"


def test_one_row_is_looked_up_with_its_damage(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        upgrade(database)
        row_id = uuid4()
        with database.transaction(writes=True) as connection:
            connection.execute(
                text(
                    "INSERT INTO strategy_configurations (id, strategy_type, instruments)"
                    f" VALUES ('{row_id}', 'rules_rsi', '[]')"
                )
            )
        assert repository(database).get(row_id) == UnusableRow(
            id=str(row_id),
            reason="instruments is empty: name at least one instrument token",
            strategy_type="rules_rsi",
            enabled=True,
            version=1,
        )


def quarantined() -> StrategyStatus:
    return StrategyStatus(
        strategy_id=uuid4(), strategy_version=1, state=StrategyState.QUARANTINED, reason="it fails"
    )


def test_a_status_is_written_once_another_process_has_let_go_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("algo_panda.store.database.BUSY_TIMEOUT_SECONDS", 0.05)
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        upgrade(database)
        statuses = SqlStatusRepository(database, clock=lambda: datetime.now(UTC))
        reported, pending = [quarantined() for _ in range(3)], [0]
        other = sqlite3.connect(tmp_path / "panda.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with StatusWriter(statuses, worker="w", count_pending=pending.append) as writer:
            for one in reported:
                writer.report(one)
            assert eventually(lambda: "another process is writing to it" in caplog.text)
            assert statuses.list() == ()
            assert pending[-1] == 3
            other.rollback()
            assert eventually(lambda: len(statuses.list()) == 3)
            assert eventually(lambda: pending[-1] == 0)
        other.close()
        assert {entry.status for entry in statuses.list()} == set(reported)


def test_a_status_is_written_once_the_database_is_there_again(tmp_path: Path) -> None:
    file, away = tmp_path / "panda.db", tmp_path / "elsewhere.db"
    with Database(f"sqlite:///{file}") as database:
        upgrade(database)
    file.rename(away)
    with Database(f"sqlite:///{file}") as database:
        statuses = SqlStatusRepository(database, clock=lambda: datetime.now(UTC))
        reported, pending = quarantined(), [0]
        with StatusWriter(statuses, worker="w", count_pending=pending.append) as writer:
            writer.report(reported)
            assert eventually(lambda: writer._thread.error is not None)
            assert "there is no database at" in str(writer._thread.error)
            away.rename(file)
            assert eventually(lambda: pending[-1] == 0)
            assert [entry.status for entry in statuses.list()] == [reported]


def test_a_status_that_was_held_up_to_the_end_is_written_before_the_worker_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("algo_panda.store.database.BUSY_TIMEOUT_SECONDS", 0.05)
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        upgrade(database)
        statuses = SqlStatusRepository(database, clock=lambda: datetime.now(UTC))
        other = sqlite3.connect(tmp_path / "panda.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        reported = quarantined()
        with StatusWriter(statuses, worker="w", longest_pause=3600) as writer:
            writer.report(reported)
            assert eventually(lambda: writer._thread.error is not None)
            other.rollback()
        other.close()
        assert [entry.status for entry in statuses.list()] == [reported]
