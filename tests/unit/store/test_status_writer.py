import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store import status_writer
from algo_panda.store.database import DatabaseUnavailableError
from algo_panda.store.memory import InMemoryStatusRepository
from algo_panda.store.status_writer import StatusWriter
from tests.support.processes import eventually


def status(reason: str | None = None) -> StrategyStatus:
    return StrategyStatus(
        strategy_id=uuid4(), strategy_version=1, state=StrategyState.DISABLED, reason=reason
    )


class Watched(InMemoryStatusRepository):
    """Counts reports; fails those that have a reason."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: datetime.now(UTC))
        self.reports = 0
        self.changed = threading.Condition()

    def report(self, *statuses: StrategyStatus, worker: str) -> None:
        with self.changed:
            self.reports += 1
            self.changed.notify_all()
        if any(status.reason for status in statuses):
            raise DatabaseUnavailableError("database is locked")
        super().report(*statuses, worker=worker)


def test_all_that_was_reported_is_written_before_it_closes() -> None:
    repository = Watched()
    reported = [status() for _ in range(20)]
    with StatusWriter(repository, worker="runner-0") as writer:
        for each in reported:
            writer.report(each)
    assert [entry.status for entry in repository.list()] == reported


def test_a_report_that_fails_costs_that_report_only() -> None:
    repository = Watched()
    fine = status()
    with StatusWriter(repository, worker="runner-0") as writer:
        writer.report(status("this one fails"))
        writer.report(fine)
    assert [entry.status for entry in repository.list()] == [fine]


class Unavailable(InMemoryStatusRepository):
    """Refuses everything while it is away, and remembers the attempts."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: datetime.now(UTC))
        self.is_away = True
        self.attempts: list[tuple[StrategyStatus, ...]] = []

    def report(self, *statuses: StrategyStatus, worker: str) -> None:
        self.attempts.append(statuses)
        if self.is_away:
            raise DatabaseUnavailableError("the server does not answer")
        super().report(*statuses, worker=worker)

    def written(self) -> list[StrategyStatus]:
        return [entry.status for entry in self.list()]


def writer_of(repository: InMemoryStatusRepository, **settings: Any) -> StatusWriter:
    return StatusWriter(repository, worker="runner-0", longest_pause=0.001, **settings)


def test_a_status_is_written_when_the_database_is_back() -> None:
    repository, pending = Unavailable(), []
    reported = [status() for _ in range(3)]
    with writer_of(repository, count_pending=pending.append) as writer:
        for each in reported:
            writer.report(each)
        assert eventually(lambda: len(repository.attempts) > 20)
        assert repository.list() == ()
        assert pending[-1] == 3
        repository.is_away = False
        assert eventually(lambda: set(repository.written()) == set(reported))
        assert eventually(lambda: pending[-1] == 0)
        attempts = len(repository.attempts)
        assert writer.trouble is None
    assert len(repository.attempts) == attempts


def test_the_newest_status_of_a_strategy_and_instrument_replaces_one_that_waits() -> None:
    repository = Unavailable()
    registered = status()
    quarantined = replace(registered, state=StrategyState.QUARANTINED)
    on_one = replace(registered, instrument_token=1001, reason="it fails")
    with writer_of(repository) as writer:
        for each in (registered, on_one, quarantined):
            writer.report(each)
        assert eventually(lambda: bool(repository.attempts))
        repository.is_away = False
        assert eventually(lambda: set(repository.written()) == {quarantined, on_one})
    assert not any(registered in some for some in repository.attempts[-1:])


def test_what_was_said_of_an_earlier_version_is_not_written_any_more() -> None:
    repository = Unavailable()
    before = replace(status(), instrument_token=1001, state=StrategyState.QUARANTINED)
    other, after = status(), replace(before, instrument_token=None, strategy_version=2)
    with writer_of(repository) as writer:
        for each in (before, other, after):
            writer.report(each)
        repository.is_away = False
    assert set(repository.written()) == {other, after}


def test_reporting_does_not_wait_for_the_database() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Hanging(InMemoryStatusRepository):
        def report(self, *statuses: StrategyStatus, worker: str) -> None:
            entered.set()
            go_on.wait(30)
            super().report(*statuses, worker=worker)

    repository = Hanging(clock=lambda: datetime.now(UTC))
    first = status()
    second = replace(first, state=StrategyState.QUARANTINED)
    with writer_of(repository) as writer:
        writer.report(first)
        assert entered.wait(30)
        writer.report(second)  # returns, although the first is still being written
        go_on.set()
    assert [entry.status for entry in repository.list()] == [second]


def test_at_the_end_it_tries_for_a_bounded_time_and_says_what_is_not_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(status_writer, "_LAST_WRITE_SECONDS", 0.05)
    go_on = threading.Event()

    class Hanging(InMemoryStatusRepository):
        def report(self, *statuses: StrategyStatus, worker: str) -> None:
            go_on.wait(30)
            raise DatabaseUnavailableError("the server does not answer")

    with writer_of(Hanging(clock=lambda: datetime.now(UTC))) as writer:
        writer.report(status())
    assert "1 statuses of strategies could not be written" in caplog.messages[-1]
    go_on.set()


def test_a_database_that_is_away_is_no_trouble_of_the_worker_and_a_defect_is() -> None:
    class Broken(InMemoryStatusRepository):
        def report(self, *_: StrategyStatus, worker: str) -> None:
            raise ZeroDivisionError(worker)

    away = Unavailable()
    with writer_of(away) as writer:
        writer.report(status())
        assert eventually(lambda: len(away.attempts) > 2)
        assert writer.trouble is None
    with writer_of(Broken(clock=lambda: datetime.now(UTC))) as writer:
        writer.report(status())
        assert eventually(lambda: writer.trouble is not None)
        assert "the status thread fails" in str(writer.trouble)


def test_everything_is_said_again_after_a_while() -> None:
    repository = Watched()
    first, second = status(), status()
    with StatusWriter(repository, worker="runner-0", repeat_seconds=0.01) as writer:
        writer.report(first)
        writer.report(second)
        with repository.changed:
            assert repository.changed.wait_for(lambda: repository.reports >= 6, timeout=30)
    assert {entry.status for entry in repository.list()} == {first, second}
