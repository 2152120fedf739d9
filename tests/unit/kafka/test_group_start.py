"""Where a group starts, on a broker in memory."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, TopicPartition

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka import group_start
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.group_start import GroupStart

FIRST, END = 3, 9
"""Of every partition."""


class Answer:
    """What a broker says of one partition."""

    def __init__(self, partition: int, offset: int, code: int | None = None) -> None:
        self.partition = partition
        self.offset = offset
        self.error = None if code is None else ClientError(code)


class Group:
    """Holds the commits; in place of the consumer."""

    def __init__(self, **commits: int) -> None:
        self.commits = {int(name.removeprefix("p")): offset for name, offset in commits.items()}
        self.requests: list[dict[int, int]] = []
        self.fails_of_one: int | None = None
        self.before_answer: Callable[[], None] = lambda: None

    def committed(self, wanted: Sequence[TopicPartition], timeout: float) -> list[Answer]:
        assert timeout > 0
        self.before_answer()
        return [
            Answer(one.partition, self.commits.get(one.partition, -1001), self.fails_of_one)
            for one in wanted
        ]

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> list[Answer]:
        assert not asynchronous
        self.requests.append({one.partition: one.offset for one in offsets})
        self.commits.update(self.requests[-1])
        return [Answer(one.partition, one.offset, self.fails_of_one) for one in offsets]


class Time:
    """Passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def offsets(
        _admin: object, partitions: Collection[Any], which: str, **_: object
    ) -> dict[Any, int]:
        return dict.fromkeys(partitions, FIRST if which == "earliest" else END)

    monkeypatch.setattr(group_start, "list_offsets", offsets)
    monkeypatch.setattr(group_start, "partition_counts", lambda *_: {"signals": 3})
    monkeypatch.setattr(group_start, "time", Time())


def fix(group: Group, *assigned: int, from_beginning: bool = False) -> list[dict[int, int]]:
    """Return the requests to commit that an assignment causes."""
    client: Any = group
    admin: Any = None
    start = GroupStart(
        connection=KafkaConnection("unused:1"),
        admin=admin,
        consumer=client,
        group="mine",
        topic="signals",
        from_beginning=from_beginning,
    )
    start.fix(assigned)
    return group.requests


@pytest.mark.parametrize(("from_beginning", "at"), [(False, END), (True, FIRST)])
def test_the_owner_of_the_first_partition_fixes_all_at_once(from_beginning: bool, at: int) -> None:
    assert fix(Group(), 0, from_beginning=from_beginning) == [{0: at, 1: at, 2: at}]


def test_what_is_committed_is_left() -> None:
    assert fix(Group(p0=4, p1=5, p2=6), 0, 1, 2) == []
    assert fix(Group()) == []


def test_a_partition_without_commit_in_a_group_with_others_starts_at_its_beginning() -> None:
    assert fix(Group(p0=4, p1=5), 1, 2) == [{2: FIRST}]
    assert fix(Group(p0=4), 1) == [{1: FIRST}]


def test_other_owners_wait_for_that_of_the_first() -> None:
    group = Group()
    questions: list[None] = []

    def first_owner_commits_at_last() -> None:
        questions.append(None)
        if len(questions) == 20:
            group.commits = {0: 7, 1: 7, 2: 7}

    group.before_answer = first_owner_commits_at_last
    assert fix(group, 1, 2) == []


def test_other_owners_do_not_wait_for_ever() -> None:
    assert fix(Group(), 1) == [{0: END, 1: END, 2: END}]


def test_an_error_about_one_partition_is_not_taken_for_no_commit() -> None:
    group = Group(p0=4, p1=5, p2=6)
    group.fails_of_one = ClientError.UNSTABLE_OFFSET_COMMIT
    with pytest.raises(KafkaError, match="cannot read the commits of mine at unused:1"):
        fix(group, 0)
    assert group.requests == []


def test_a_start_that_the_broker_refuses_of_one_partition_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = Group()
    monkeypatch.setattr(GroupStart, "_committed", lambda *_: {})
    group.fails_of_one = ClientError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(KafkaError, match="cannot commit where the group mine starts") as caught:
        fix(group, 0)
    assert isinstance(caught.value.__cause__, KafkaException)
    assert len(group.requests) == 1, "a refusal is not tried again"
