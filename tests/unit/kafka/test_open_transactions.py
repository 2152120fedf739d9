"""Ends that readers of committed records do not reach."""

from collections.abc import Callable, Collection
from typing import Any

import pytest

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka import open_transactions
from algo_panda.kafka.admin_calls import Partition
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.open_transactions import (
    OpenTransactionError,
    refuse_unreadable,
    wait_until_readable,
)
from algo_panda.kafka.reading import Ends

KAFKA = KafkaConnection("broker:9092")
A, B = ("changelog", 0), ("changelog", 1)


class FakeBroker:
    """Partitions with an open transaction, which may end as time passes."""

    def __init__(self, ends: dict[Partition, int], open_at: dict[Partition, int]) -> None:
        self.ends, self.open_at = ends, open_at
        self.now = 1000.0
        self.ends_at: float | None = None

    def list_offsets(
        self, _admin: object, partitions: Collection[Partition], which: str, **how: bool
    ) -> dict[Partition, int]:
        assert which == "latest"
        if self.ends_at is not None and self.now >= self.ends_at:
            self.open_at = {}
        hidden = self.open_at if how.get("committed") else {}
        return {one: hidden.get(one, self.ends[one]) for one in partitions}

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeBroker]:
    def make(ends: dict[Partition, int], open_at: dict[Partition, int]) -> FakeBroker:
        fake = FakeBroker(ends, open_at)
        monkeypatch.setattr(open_transactions, "connect", lambda *_, **__: None)
        monkeypatch.setattr(open_transactions, "list_offsets", fake.list_offsets)
        return fake

    return make


def wait(fake: FakeBroker, *partitions: Partition) -> Any:
    return wait_until_readable(
        KAFKA, partitions, patience=15, clock=lambda: fake.now, sleep=fake.sleep
    )


def test_ends_that_can_be_read_are_given_at_once(broker) -> None:
    fake = broker({A: 7, B: 0}, {})
    assert wait(fake, A, B) == {A: 7, B: 0}
    assert fake.now == 1000


def test_a_transaction_that_ends_soon_is_waited_for_and_told_once(
    broker, caplog: pytest.LogCaptureFixture
) -> None:
    fake = broker({A: 7, B: 3}, {B: 1})
    fake.ends_at = 1010.0
    assert wait(fake, A, B) == {A: 7, B: 3}
    assert 1010 <= fake.now < 1015
    (line,) = [record.getMessage() for record in caplog.records]
    assert "changelog[1] holds a transaction that is open at offset 1" in line


def test_a_transaction_that_stays_open_is_an_error_that_says_how_to_abort_it(broker) -> None:
    fake = broker({A: 7, B: 25}, {B: 12})
    with pytest.raises(OpenTransactionError) as caught:
        wait(fake, A, B)
    assert 1015 <= fake.now < 1016
    message = str(caught.value)
    assert message.startswith(
        "changelog[1] ends at offset 25 and can be read up to offset 12 only: the transaction that"
        " begins there is still open."
    )
    assert message.endswith(
        "kafka-transactions.sh --bootstrap-server broker:9092 abort --topic changelog"
        " --partition 1 --start-offset 12"
    )
    assert caught.value.exit_code == 4


def test_a_reader_that_gets_nothing_learns_why(broker) -> None:
    broker({A: 7, B: 25}, {B: 12})
    refuse_unreadable(KAFKA, {A: 7})  # slow, and nothing is wrong
    refuse_unreadable(KAFKA, {B: 12})  # the transaction began later
    with pytest.raises(OpenTransactionError, match="up to offset 12 only"):
        refuse_unreadable(KAFKA, {A: 7, B: 13})


def test_a_reader_of_a_topic_that_became_shorter_learns_that(broker) -> None:
    broker({A: 7}, {})
    with pytest.raises(KafkaError, match=r"ended at offset 9 .* ends at 7 now"):
        refuse_unreadable(KAFKA, {A: 9})


def test_an_end_counts_as_reached_only_where_it_is() -> None:
    ends = Ends({A: 10, B: 5})
    ends.note_end(A, 6)
    ends.note_end(B, 5)
    assert not ends.reached([A])
    assert ends.reached([B])
    assert ends.takes(A, 7)  # the last two offsets are markers
    assert not ends.reached([A])
    ends.note_end(A, 10)
    assert ends.reached([A, B])


def test_where_reading_begins_at_the_end_nothing_is_waited_for() -> None:
    ends = Ends({A: 10, B: 5})
    ends.begin({A: 9, B: 5})
    assert not ends.reached([A])
    assert ends.reached([B])


def test_an_end_is_overdue_if_no_record_before_it_comes() -> None:
    now = [1000.0]
    ends = Ends({A: 10, B: 5}, patience=15, clock=lambda: now[0])

    def after(seconds: float) -> dict[Partition, int]:
        now[0] += seconds
        return ends.overdue([A, B])

    assert after(60) == {}  # nobody asked before
    assert after(14) == {}
    assert ends.takes(A, 3)
    assert after(60) == {}  # whoever took the record had it for so long
    assert after(14) == {}
    assert not ends.takes(B, 8)  # from behind the end: it does not help
    assert after(1) == {A: 10}
    assert after(1) == {}  # it was found to be no transaction: wait anew
    ends.note_end(A, 10)
    assert after(15) == {}
