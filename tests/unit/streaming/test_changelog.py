"""The changelog on a broker in memory: what is restored, and in which order it asks."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, TopicPartition

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming import changelog
from algo_panda.streaming.changelog import (
    CHECKPOINT_KEY,
    CheckpointError,
    FencedError,
    MissingCheckpointError,
    PartitionChangelog,
    Positions,
)
from algo_panda.streaming.operator import Output, StateRecord


class Entry(NamedTuple):
    """A record or an end, as the client gives it."""

    at: int
    bytes_of_key: bytes = b""
    bytes_of_value: bytes | None = None
    given_headers: Any = None
    problem: ClientError | None = None

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return self.bytes_of_key

    def value(self) -> bytes | None:
        return self.bytes_of_value

    def headers(self) -> Any:
        return self.given_headers

    def error(self) -> ClientError | None:
        return self.problem


class Broker:
    """Holds what was committed, and knows who may commit."""

    def __init__(self) -> None:
        self.log: list[Entry] = []
        self.sent: list[bytes | None] = []
        self.epoch = 0
        self.before_fencing: Callable[[], None] = lambda: None
        self.refusals: list[KafkaException] = []
        self.early_ends: list[int] = []
        """Where the client reports an end although there is more."""

    def append(self, key: bytes, value: bytes | None, headers: Any = None) -> None:
        self.log.append(Entry(len(self.log), key, value, headers))


class FakeProducer:
    """One transaction after the other."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._pending: list[tuple[str, Any, Any, Any]] = []

    def init_transactions(self, _timeout: float) -> None:
        self._broker.before_fencing()
        self._broker.epoch += 1
        self._epoch = self._broker.epoch

    def begin_transaction(self) -> None:
        self._pending = []

    def produce(self, topic: str, value: Any, key: Any, *, partition: int, headers: Any) -> None:
        self._pending.append((topic, key, value, headers))

    def commit_transaction(self, _timeout: float) -> None:
        if self._epoch != self._broker.epoch:
            raise KafkaException(ClientError(ClientError._FENCED, "fenced", fatal=True))
        if self._broker.refusals:
            raise self._broker.refusals.pop(0)
        for topic, key, value, headers in self._pending:
            if topic == "changelog":
                self._broker.append(key, value, headers)
            else:
                self._broker.sent.append(value)

    def abort_transaction(self, _timeout: float) -> None:
        self._pending = []


class FakeConsumer:
    """Reads the log from its beginning."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def assign(self, _places: list[TopicPartition]) -> None:
        self._given = self._entries()

    def poll(self, _seconds: float) -> Entry | None:
        return next(self._given, None)

    def consume(self, _most: int, _seconds: float) -> list[Entry]:
        return []

    def close(self) -> None:
        pass

    def _entries(self) -> Iterator[Entry]:
        end = ClientError(ClientError._PARTITION_EOF, "end")
        for entry in list(self._broker.log):
            if entry.at in self._broker.early_ends:
                yield Entry(entry.at, problem=end)
            yield entry
        yield Entry(len(self._broker.log), problem=end)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(changelog, "_RETRY_WAIT", 0.0)
    monkeypatch.setattr(changelog, "Producer", lambda _config: FakeProducer(made))
    monkeypatch.setattr(changelog, "Consumer", lambda _config: FakeConsumer(made))
    monkeypatch.setattr(
        changelog,
        "wait_until_readable",
        lambda _connection, places, patience: dict.fromkeys(places, len(made.log)),
    )
    return made


def owner() -> PartitionChangelog:
    return PartitionChangelog(
        connection=KafkaConnection("unused:1"),
        topic="changelog",
        partition=0,
        transactional_id="group-0",
    )


def at(offset: int) -> Positions:
    return Positions(
        offsets={"ticks": offset}, horizons={"ticks": offset}, topic_ids={"ticks": "an-id"}
    )


def state(**values: bytes | None) -> list[StateRecord]:
    return [StateRecord(name.encode(), value) for name, value in values.items()]


def test_what_was_deleted_is_gone(broker: Broker) -> None:
    first = owner()
    assert first.open(30).positions is None
    first.commit(state(a=b"1", b=b"2"), at(10), (), 30)
    first.commit(state(a=b"3", b=None), at(20), (), 30)
    restored = owner().open(30)
    assert (restored.state, restored.positions) == ({b"a": b"3"}, at(20))


def test_what_the_former_owner_commits_before_it_is_fenced_is_restored(broker: Broker) -> None:
    former = owner()
    former.open(30)
    former.commit(state(a=b"1"), at(10), (), 30)
    broker.before_fencing = lambda: former.commit(state(a=b"2"), at(20), (), 30)
    restored = owner().open(30)
    assert (restored.state, restored.positions) == ({b"a": b"2"}, at(20))
    broker.before_fencing = lambda: None
    with pytest.raises(FencedError):
        former.commit(state(a=b"zombie"), at(30), (), 30)


def test_a_changelog_without_any_record_is_that_of_a_first_start(broker: Broker) -> None:
    restored = owner().open(30)
    assert (restored.state, restored.positions, restored.records_read) == ({}, None, 0)


@pytest.mark.parametrize("left", [{}, {"a": b"1"}])
def test_a_checkpoint_that_was_deleted_is_refused(
    broker: Broker, left: dict[str, bytes | None]
) -> None:
    owner_before = owner()
    owner_before.open(30)
    owner_before.commit(state(**left), at(10), (), 30)
    broker.append(CHECKPOINT_KEY, None)
    with pytest.raises(
        MissingCheckpointError,
        match=r"changelog\[0\] had a checkpoint record, which was deleted.*"
        "delete the topic changelog and run 'panda topics apply'",
    ):
        owner().open(30)
    broker.append(CHECKPOINT_KEY, at(10).encode())  # put back: all is well
    assert owner().open(30).positions == at(10)


def test_state_whose_deleted_checkpoint_was_compacted_away_is_refused(broker: Broker) -> None:
    broker.append(b"a", b"1")
    broker.append(b"b", b"2")
    with pytest.raises(
        MissingCheckpointError, match=r"has 2 state record\(s\) and no checkpoint record"
    ):
        owner().open(30)
    broker.append(b"a", None)
    broker.append(b"b", None)
    assert owner().open(30).positions is None


@pytest.mark.parametrize("early", [[1], [2], [1, 3]])
def test_an_end_before_the_known_one_is_not_the_end(broker: Broker, early: list[int]) -> None:
    first = owner()
    first.open(30)
    first.commit(state(a=b"1"), at(10), (), 30)
    first.commit(state(b=b"2"), at(20), (), 30)
    broker.early_ends = early
    restored = owner().open(30)
    assert restored.state == {b"a": b"1", b"b": b"2"}
    assert restored.positions == at(20)


@pytest.mark.parametrize("times", [1, 3])
def test_an_aborted_checkpoint_is_written_again_with_its_outputs(
    broker: Broker, times: int
) -> None:
    first = owner()
    first.open(30)
    abort = ClientError(ClientError.KAFKA_STORAGE_ERROR, "no disk", txn_requires_abort=True)
    broker.refusals = [KafkaException(abort)] * times
    first.commit(state(a=b"1"), at(10), [Output("signals", b"1001", b"a signal")], 30)
    assert broker.sent == [b"a signal"]
    restored = owner().open(30)
    assert (restored.state, restored.positions) == ({b"a": b"1"}, at(10))


def test_a_refusal_for_good_is_an_error_and_nothing_is_written(broker: Broker) -> None:
    first = owner()
    first.open(30)
    broker.refusals = [KafkaException(ClientError(ClientError.TOPIC_AUTHORIZATION_FAILED, "no"))]
    with pytest.raises(CheckpointError, match=r"changelog changelog\[0\] checkpoint failed: no"):
        first.commit(state(a=b"1"), at(10), (), 30)
    assert owner().open(30).positions is None
