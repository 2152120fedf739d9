"""What every ``StatusRepository`` does: in memory, on SQLite, on PostgreSQL."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from app.domain.status import StrategyState, StrategyStatus
from app.store.database import Database
from app.store.memory import InMemoryStatusRepository
from app.store.migrate import upgrade
from app.store.repository import ReportedStatus, StatusRepository
from app.store.sql_status import SqlStatusRepository

A, B = uuid4(), uuid4()


class Clock:
    """A second later every time it is asked."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def repository(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Iterator[StatusRepository]:
    if request.param == "memory":
        yield InMemoryStatusRepository(clock=clock)
        return
    url = f"sqlite:///{tmp_path}/panda.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    with Database(url) as database:
        upgrade(database)
        yield SqlStatusRepository(database, clock=clock)


@pytest.fixture
def postgresql_url() -> Iterator[str]:
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


def status(
    strategy_id: UUID = A,
    state: StrategyState = StrategyState.REGISTERED,
    *,
    version: int = 1,
    reason: str | None = None,
    token: int | None = None,
) -> StrategyStatus:
    return StrategyStatus(
        strategy_id=strategy_id,
        strategy_version=version,
        state=state,
        reason=reason,
        instrument_token=token,
    )


def said(repository: StatusRepository) -> list[tuple[str, StrategyStatus]]:
    return [(entry.worker, entry.status) for entry in repository.list()]


def test_nothing_was_said_at_first(repository: StatusRepository) -> None:
    assert repository.list() == ()


@pytest.mark.parametrize("state", StrategyState)
def test_a_report_comes_back_with_worker_and_time(
    repository: StatusRepository, clock: Clock, state: StrategyState
) -> None:
    reported = status(state=state, reason="model file is missing", token=2**32 - 1, version=4)
    repository.report(reported, worker="runner-0")
    assert repository.list() == (
        ReportedStatus(status=reported, worker="runner-0", updated_at=clock.now),
    )


@pytest.mark.parametrize("token", [None, 1001])
def test_a_worker_takes_the_place_of_what_it_said(
    repository: StatusRepository, token: int | None
) -> None:
    bad = status(state=StrategyState.DISABLED, reason="no model", token=token)
    repository.report(status(token=token), worker="runner-0")
    repository.report(bad, worker="runner-0")
    repository.report(bad, bad, worker="runner-0")
    assert said(repository) == [("runner-0", bad)]


def test_workers_do_not_speak_for_each_other(repository: StatusRepository) -> None:
    bad = status(state=StrategyState.DISABLED, reason="no model")
    repository.report(status(), worker="runner-0")
    repository.report(bad, worker="runner-1")
    assert said(repository) == [("runner-0", status()), ("runner-1", bad)]


def test_an_instrument_is_not_the_whole_strategy(repository: StatusRepository) -> None:
    stopped = status(state=StrategyState.QUARANTINED, reason="10 failures", token=1001)
    repository.report(status(), worker="runner-0")
    repository.report(stopped, worker="runner-0")
    repository.report(status(), worker="runner-0")
    assert sorted(said(repository), key=lambda entry: entry[1].state) == [
        ("runner-0", stopped),
        ("runner-0", status()),
    ]


def test_a_new_version_takes_back_what_that_worker_said_of_others(
    repository: StatusRepository,
) -> None:
    stopped = status(state=StrategyState.QUARANTINED, reason="10 failures", token=1001)
    for worker in ("runner-0", "runner-1"):
        repository.report(status(), stopped, worker=worker)
    repository.report(status(B), worker="runner-0")
    repository.report(status(version=2), worker="runner-0")
    assert said(repository) == [
        ("runner-1", status()),
        ("runner-1", stopped),
        ("runner-0", status(B)),
        ("runner-0", status(version=2)),
    ]


def test_what_was_said_long_ago_and_never_again_is_forgotten(
    repository: StatusRepository, clock: Clock
) -> None:
    repository.report(status(A), status(A, token=1001), status(B), worker="gone")
    clock.now += timedelta(hours=23)
    repository.report(status(A), worker="runner-0")
    assert len(repository.list()) == 4
    clock.now += timedelta(hours=2)
    repository.report(status(A), worker="runner-0")
    assert said(repository) == [("gone", status(B)), ("runner-0", status(A))]


def test_clearing_a_strategy_leaves_the_others(repository: StatusRepository) -> None:
    for worker in ("runner-0", "runner-1"):
        repository.report(status(A), status(A, token=1001), status(B), worker=worker)
    repository.clear(A)
    assert said(repository) == [("runner-0", status(B)), ("runner-1", status(B))]
