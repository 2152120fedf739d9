"""What every ``StatusRepository`` does: in memory, on SQLite, on PostgreSQL."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store.database import Database
from algo_panda.store.memory import InMemoryStatusRepository
from algo_panda.store.migrate import upgrade
from algo_panda.store.repository import ReportedStatus, StatusRepository
from algo_panda.store.sql_status import SqlStatusRepository
from tests.unit.fakes.clock import Clock

A, B = uuid4(), uuid4()


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
    reported_at = clock.now
    assert repository.list() == (
        ReportedStatus(status=reported, worker="runner-0", updated_at=reported_at),
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
    clock.now += timedelta(minutes=4)
    repository.report(status(A), worker="runner-0")
    assert len(repository.list()) == 4
    clock.now += timedelta(minutes=2)
    repository.report(status(A), worker="runner-0")
    assert said(repository) == [("runner-0", status(A))]


def test_clearing_a_strategy_leaves_the_others(repository: StatusRepository) -> None:
    for worker in ("runner-0", "runner-1"):
        repository.report(status(A), status(A, token=1001), status(B), worker=worker)
    repository.clear(A)
    assert said(repository) == [("runner-0", status(B)), ("runner-1", status(B))]
