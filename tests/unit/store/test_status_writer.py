import threading
from datetime import UTC, datetime
from uuid import uuid4

from algo_panda.domain.status import StrategyState, StrategyStatus
from algo_panda.store.database import DatabaseUnavailableError
from algo_panda.store.memory import InMemoryStatusRepository
from algo_panda.store.status_writer import StatusWriter


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


def test_everything_is_said_again_after_a_while() -> None:
    repository = Watched()
    first, second = status(), status()
    with StatusWriter(repository, worker="runner-0", repeat_seconds=0.01) as writer:
        writer.report(first)
        writer.report(second)
        with repository.changed:
            assert repository.changed.wait_for(lambda: repository.reports >= 6, timeout=30)
    assert {entry.status for entry in repository.list()} == {first, second}
