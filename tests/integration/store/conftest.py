"""An empty database of either kind; PostgreSQL where PANDA_TEST_DATABASE_URL names one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from algo_panda.store.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/folder that is not there/panda.db"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as database:
        yield database
