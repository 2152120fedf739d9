import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import DatabaseError
from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store.database import Database, DatabaseUnavailableError
from algo_panda.store.identity import database_id
from algo_panda.store.migrate import (
    ForeignTableError,
    Migrated,
    UnknownRevisionError,
    downgrade,
    losses,
    upgrade,
)
from algo_panda.store.revision import WrongRevisionError, current_revision
from algo_panda.store.sql import SqlStrategyRepository
from algo_panda.store.sql_status import SqlStatusRepository
from algo_panda.store.tables import HEAD, metadata

OLD_COLUMNS = (
    "id, strategy_type, parameters, instruments, enabled, zerodha_trading_enabled, version,"
    " created_at, updated_at"
)


def repository(database: Database) -> SqlStrategyRepository:
    return SqlStrategyRepository(
        database, check=lambda config: None, clock=lambda: datetime.now(UTC)
    )


def insert_old_row(database: Database, *, zerodha: bool = False) -> str:
    """Put in a row as somebody did before there were brokers and validators."""
    row_id = str(uuid4())
    tokens = "[1001, 4294967295]" if database.file else "{1001,4294967295}"
    with database.transaction(writes=True) as connection:
        connection.execute(
            text(
                f"INSERT INTO strategy_configurations ({OLD_COLUMNS}) VALUES (:id, 'rules_rsi',"
                " '{\"period\": 14}', :tokens, true, :zerodha, 5,"
                " '2023-05-01 10:00:00+00:00', '2023-05-02 10:00:00+00:00')"
            ),
            {"id": row_id, "tokens": tokens, "zerodha": zerodha},
        )
    return row_id


def old_rows(database: Database) -> list[Mapping[str, Any]]:
    with database.transaction() as connection:
        query = text(f"SELECT {OLD_COLUMNS} FROM strategy_configurations ORDER BY id")
        return [dict(row) for row in connection.execute(query).mappings()]


def revision_of(database: Database) -> str | None:
    with database.transaction() as connection:
        return current_revision(connection)


def columns_of(database: Database) -> set[str]:
    with database.transaction() as connection:
        return {c["name"] for c in inspect(connection).get_columns("strategy_configurations")}


def test_the_code_works_on_the_newest_revision_there_is() -> None:
    config = Config()
    config.set_main_option("script_location", "algo_panda.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # SQLite cannot show it
def test_migrations_end_at_the_tables_that_the_code_reads(database: Database) -> None:
    assert upgrade(database) == Migrated(before=None, after=HEAD)
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_row_survives_every_revision_up_and_down(database: Database) -> None:
    upgrade(database, "1")
    insert_old_row(database)
    insert_old_row(database, zerodha=True)
    before = old_rows(database)
    for revision in ("2", "3", "4", "5"):
        assert upgrade(database, revision).after == revision
        assert old_rows(database) == before
    loaded = repository(database).load()
    assert loaded.unusable == ()
    assert {config.brokers for config in loaded.usable} == {("paper",), ("zerodha",)}
    assert {config.validator for config in loaded.usable} == {"standard"}
    for revision in ("4", "3", "2", "1"):
        assert downgrade(database, revision).after == revision
        assert old_rows(database) == before
    assert columns_of(database) == set(OLD_COLUMNS.split(", "))
    upgrade(database)
    assert old_rows(database) == before
    assert downgrade(database, "base") == Migrated(before=HEAD, after=None)
    with database.transaction() as connection:
        assert not inspect(connection).has_table("strategy_configurations")


def test_rows_made_at_the_newest_revision_survive_the_way_down_and_up(
    database: Database,
) -> None:
    upgrade(database)
    added = StrategyConfig(
        id=uuid4(),
        strategy_type="rules_rsi",
        instruments=(1, 2),
        active_brokers=(),
        validator_type="strict_risk",
    )
    repository(database).add(added)
    before = old_rows(database)
    downgrade(database, "1")
    upgrade(database)
    assert old_rows(database) == before
    (config,) = repository(database).load().usable
    assert (config.active_brokers, config.validator_type) == (None, None)


def test_what_a_downgrade_deletes_is_said_first(database: Database) -> None:
    upgrade(database)
    assert losses(database, "base") == ()
    added = StrategyConfig(
        id=uuid4(), strategy_type="x", instruments=(1,), active_brokers=(), validator_type="y"
    )
    repository(database).add(added)
    insert_old_row(database)
    said = StrategyStatus(strategy_id=added.id, strategy_version=1, state=StrategyState.REGISTERED)
    clock = lambda: datetime.now(UTC)  # noqa: E731 - a clock is a function
    SqlStatusRepository(database, clock=clock).report(said, worker="runner-0")
    identity, status, brokers, rows = losses(database, "base")
    assert identity.startswith("the id of the database (")
    assert "panda recover accept-database" in identity
    assert status == "what workers said of strategies (rows: 1)"
    assert brokers.startswith("validator_type (rows: 1) and active_brokers (rows: 1; ")
    assert "signals only" in brokers
    assert rows == "all strategies (rows: 2)"
    assert losses(database, "1") == (identity, status, brokers)
    assert losses(database, "3") == losses(database, "4") == (identity,)
    assert losses(database, "5") == ()


def test_what_was_said_of_strategies_survives_but_for_what_there_was_no_word_for(
    database: Database,
) -> None:
    upgrade(database)
    statuses = SqlStatusRepository(database, clock=lambda: datetime.now(UTC))
    one = StrategyStatus(
        strategy_id=uuid4(), strategy_version=1, state=StrategyState.COLD, instrument_token=1
    )
    other = replace(one, state=StrategyState.QUARANTINED, instrument_token=2)
    statuses.report(one, other, worker="w")
    assert losses(database, "3") == ("what workers said of cold strategies (rows: 1)",)
    downgrade(database, "3")
    upgrade(database)
    statuses.report(other, worker="w")  # one entry per worker and instrument, as before
    assert [entry.status for entry in statuses.list()] == [other]


def test_every_database_has_an_id_of_its_own_that_stays(database: Database, tmp_path: Path) -> None:
    upgrade(database, "4")
    upgrade(database)
    found = database_id(database)
    assert str(UUID(found)) == found
    upgrade(database)
    assert database_id(database) == found
    with Database(f"sqlite:///{tmp_path / 'another.db'}") as another:
        upgrade(another)
        assert database_id(another) != found


@pytest.mark.parametrize("rows", [0, 2])
def test_a_database_that_has_lost_its_id_is_refused(database: Database, rows: int) -> None:
    upgrade(database)
    with database.transaction(writes=True) as connection:
        connection.execute(text("DELETE FROM database_identity"))
        for _ in range(rows):
            connection.execute(
                text("INSERT INTO database_identity (id) VALUES (:id)"), {"id": str(uuid4())}
            )
    with pytest.raises(DatabaseError, match=f"database_identity has {rows} rows instead of one"):
        database_id(database)


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    upgrade(database)
    assert upgrade(database) == Migrated(before=HEAD, after=HEAD)


def test_a_table_from_before_the_migrations_is_taken_for_revision_1(database: Database) -> None:
    database.make_file()
    names = ("char(36)", "json", "json", "datetime")
    if database.file is None:
        names = ("uuid", "jsonb", "int[]", "timestamptz")
    uuid, document, tokens, moment = names
    with database.transaction(writes=True) as connection:
        connection.execute(
            text(
                f"CREATE TABLE strategy_configurations (id {uuid} PRIMARY KEY,"
                f" strategy_type text NOT NULL, parameters {document} NOT NULL,"
                f" instruments {tokens} NOT NULL, enabled boolean NOT NULL,"
                " zerodha_trading_enabled boolean NOT NULL, version integer NOT NULL,"
                f" created_at {moment} NOT NULL, updated_at {moment} NOT NULL)"
            )
        )
    assert upgrade(database) == Migrated(before="1", after=HEAD)
    row_id = insert_old_row(database)
    (config,) = repository(database).load().usable
    assert (str(config.id), config.instruments) == (row_id, (1001, 2**32 - 1))


def test_a_table_of_somebody_else_is_left_alone(database: Database) -> None:
    database.make_file()
    with database.transaction(writes=True) as connection:
        connection.execute(text("CREATE TABLE strategy_configurations (id integer, name text)"))
    with pytest.raises(ForeignTableError, match="other columns \\(id, name\\)"):
        upgrade(database)
    assert columns_of(database) == {"id", "name"}
    assert revision_of(database) is None


def test_an_upgrade_that_fails_half_way_leaves_nothing_behind(database: Database) -> None:
    upgrade(database, "1")
    with database.transaction(writes=True) as connection:
        connection.execute(text("CREATE TABLE strategy_status (in_the_way integer)"))
    with pytest.raises(DatabaseUnavailableError, match="strategy_status"):
        upgrade(database)
    assert revision_of(database) == "1"
    assert columns_of(database) == set(OLD_COLUMNS.split(", "))


def test_processes_that_upgrade_at_once_wait_for_each_other(database_url: str) -> None:
    together = threading.Barrier(4)

    def run() -> Migrated:
        with Database(database_url) as database:
            together.wait(timeout=30)
            return upgrade(database)

    with ThreadPoolExecutor(4) as pool:
        done = [future.result() for future in [pool.submit(run) for _ in range(4)]]
    assert sorted(str(each.before) for each in done) == [HEAD, HEAD, HEAD, "None"]
    assert {each.after for each in done} == {HEAD}


@pytest.mark.parametrize(
    ("revision", "advice"),
    [
        ("1", "database is at revision 1, run 'panda db upgrade'"),
        ("2", "database is at revision 2, run 'panda db upgrade'"),
        ("3", "database is at revision 3, run 'panda db upgrade'"),
        ("base", "is empty: run 'panda db upgrade'"),
        ("4", "database is at revision 4, run 'panda db upgrade'"),
        ("97", "database is at revision 97, newer than the 5 of this program"),
    ],
)
def test_another_revision_than_ours_is_a_clear_refusal(
    database: Database, revision: str, advice: str
) -> None:
    upgrade(database)
    if revision == "97":
        with database.transaction(writes=True) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '97'"))
    else:
        downgrade(database, revision)
    with pytest.raises(WrongRevisionError, match=advice):
        repository(database).load()
    with pytest.raises(WrongRevisionError, match=advice):
        repository(database).disable(uuid4())
    with pytest.raises(WrongRevisionError, match=advice):
        SqlStatusRepository(database, clock=lambda: datetime.now(UTC)).list()


@pytest.mark.parametrize(
    ("start", "target", "advice"),
    [
        ("1", "2", "the database is at revision 1, already below 2"),
        ("2", "9", "there is no revision '9'; known: base, 1, 2, 3, 4, 5"),
        ("2", "-1", "there is no revision '-1'; known: base, 1, 2, 3, 4, 5"),
    ],
)
def test_a_downgrade_goes_down_to_a_revision_there_is(
    database: Database, start: str, target: str, advice: str
) -> None:
    upgrade(database, start)
    with pytest.raises(UnknownRevisionError, match=advice):
        downgrade(database, target)
    with pytest.raises(UnknownRevisionError, match=advice):
        losses(database, target)
    assert revision_of(database) == start


def test_an_upgrade_does_not_go_down(database: Database) -> None:
    upgrade(database)
    with pytest.raises(UnknownRevisionError, match="at revision 5, past 1"):
        upgrade(database, "1")


def test_postgresql_holds_native_types(postgresql_url: str) -> None:
    with Database(postgresql_url) as database:
        upgrade(database)
        with database.transaction() as connection:
            rows = connection.execute(
                text(
                    "SELECT column_name, udt_name FROM information_schema.columns"
                    " WHERE table_name = 'strategy_configurations'"
                    " AND table_schema = current_schema()"
                )
            )
            assert {row.column_name: row.udt_name for row in rows} == {
                "id": "uuid",
                "strategy_type": "text",
                "parameters": "jsonb",
                "instruments": "_int8",
                "active_brokers": "_text",
                "validator_type": "text",
                "enabled": "bool",
                "zerodha_trading_enabled": "bool",
                "version": "int4",
                "created_at": "timestamptz",
                "updated_at": "timestamptz",
            }
