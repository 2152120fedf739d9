"""An empty database of either kind; PostgreSQL where PANDA_TEST_DATABASE_URL names one."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from app.store.database import Database


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """A schema of the test's own."""
    url = os.environ.get("PANDA_TEST_DATABASE_URL")
    if not url:
        pytest.skip("PANDA_TEST_DATABASE_URL is not set, so there is no PostgreSQL to test on")
    schema = f"test_{uuid4().hex}"
    plain = make_url(url).set(drivername="postgresql")
    address = plain.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        options = {"options": f"-csearch_path={schema}"}
        yield plain.update_query_dict(options).render_as_string(hide_password=False)
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


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
