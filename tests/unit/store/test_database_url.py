from pathlib import Path

import pytest

from algo_panda.store.database import Database, InvalidDatabaseUrlError

SECRET = "hunter2"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_postgresql_is_taken_for_psycopg(scheme: str) -> None:
    with Database(f"{scheme}://ann:{SECRET}@db.example:5433/panda") as database:
        assert str(database) == "postgresql://ann:***@db.example:5433/panda"
        assert database.file is None


def test_a_password_among_the_options_is_not_shown() -> None:
    with Database(f"postgresql://ann@db/panda?password={SECRET}") as database:
        assert SECRET not in str(database)


def test_a_sqlite_database_is_shown_as_its_file(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/panda.db") as database:
        assert str(database) == f"{tmp_path}/panda.db"
        assert database.file == tmp_path / "panda.db"
    assert not database.file.exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (SECRET, "not of the form"),
        (f"postgresql://ann:{SECRET}@db:port/panda", "not of the form"),
        (f"mysql://ann:{SECRET}@db/panda", "is for mysql; supported: sqlite, postgresql"),
        (f"postgresql+asyncpg://ann:{SECRET}@db/panda", "supported: sqlite, postgresql"),
        (f"postgresql://ann:p@{SECRET}@db/panda", "write an '@' in the password as %40"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://panda.db", "names no file"),
    ],
)
def test_a_url_that_will_not_do_is_refused_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(InvalidDatabaseUrlError, match=reason) as refusal:
        Database(url)
    assert SECRET not in str(refusal.value)


def test_a_relative_path_begins_where_the_program_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Database("sqlite:///panda.db") as database:
        monkeypatch.chdir("/")
        assert database.file == tmp_path / "panda.db"
