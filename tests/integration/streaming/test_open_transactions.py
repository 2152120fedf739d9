"""Who must know the whole of a topic does not take an open transaction for its end."""

import threading
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda import consumer
from algo_panda.consumer import SignalConsumer
from algo_panda.domain.errors import KafkaError
from algo_panda.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from algo_panda.kafka.admin import end_offsets, start_offsets
from algo_panda.kafka.clients import producer_config
from algo_panda.kafka.ends import End, EndReader
from algo_panda.kafka.open_transactions import OpenTransactionError
from algo_panda.kafka.reading import Ends, batches, records
from algo_panda.streaming.activation_log import ActivationLog
from algo_panda.streaming.changelog import CheckpointError, PartitionChangelog, Positions
from algo_panda.streaming.control import ControlWatcher, TradingStates
from algo_panda.streaming.operator import StateRecord
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes import values

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

CODECS = load_codecs()
SOON = 1.0
"""Seconds of patience."""


class Topic:
    """A topic of one partition, on which a transaction can be left open."""

    def __init__(self, kafka: Any, admin: AdminClient, name: str) -> None:
        self.name = name
        self.connection = kafka.connection
        self.admin = admin
        self._plain = Producer(producer_config(self.connection))
        self._open = Producer(
            producer_config(self.connection, transactional_id=f"{name}-another-program")
        )
        admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)

    @property
    def partition(self) -> tuple[str, int]:
        return (self.name, 0)

    @property
    def starts(self) -> dict[tuple[str, int], int]:
        return start_offsets(self.admin, [self.name])

    @property
    def ends(self) -> dict[tuple[str, int], int]:
        return end_offsets(self.admin, [self.name])

    def send(self, *contents: bytes) -> None:
        for value in contents:
            self._plain.produce(self.name, value, b"1", partition=0)
        assert self._plain.flush(30) == 0

    def leave_open(self, value: bytes = b"of a transaction that does not end") -> int:
        """Begin a transaction; return the offset of its first record."""
        offsets: list[int] = []
        self._open.init_transactions(30)
        self._open.begin_transaction()
        self._open.produce(
            self.name,
            value,
            b"1",
            partition=0,
            on_delivery=lambda _, message: offsets.append(message.offset() or 0),
        )
        assert self._open.flush(30) == 0
        return offsets[0]

    def abort(self) -> None:
        """As kafka-transactions.sh does."""
        self._open.abort_transaction(30)


@pytest.fixture
def topic(kafka: Any, kafka_admin: AdminClient, topic_prefix: str) -> Topic:
    return Topic(kafka, kafka_admin, f"{topic_prefix}topic")


def at(offset: int) -> Positions:
    return Positions(
        offsets={"signals": offset}, horizons={"signals": offset}, topic_ids={"signals": "an-id"}
    )


def test_a_changelog_is_not_restored_up_to_an_open_transaction(topic: Topic) -> None:
    def changelog() -> PartitionChangelog:
        return PartitionChangelog(
            connection=topic.connection,
            topic=topic.name,
            partition=0,
            transactional_id=f"{topic.name}-0",
            patience=SOON,
        )

    owner = changelog()
    owner.open(30)
    owner.commit([StateRecord(b"ledger", b"ten")], at(10), [], 30)
    held_at = topic.leave_open()
    owner.commit([StateRecord(b"ledger", b"twenty")], at(20), [], 30)

    with pytest.raises(CheckpointError) as caught:
        changelog().open(30)
    message = str(caught.value)
    assert message.startswith(f"changelog {topic.name}[0] cannot be opened")
    assert f"can be read up to offset {held_at} only" in message
    assert f"--topic {topic.name} --partition 0 --start-offset {held_at}; then start" in message
    assert caught.value.exit_code == 4

    topic.abort()
    restored = changelog().open(30)
    assert restored.positions == at(20)
    assert restored.state == {b"ledger": b"twenty"}


def test_a_transaction_of_the_former_owner_is_aborted_and_not_waited_for(topic: Topic) -> None:
    class LeftError(Exception):
        """The owner ended here."""

    steps: list[str] = []

    def leave(step: str) -> None:
        steps.append(step)
        if steps.count("checkpoint: positions written") == 2:
            raise LeftError

    def changelog(**more: Any) -> PartitionChangelog:
        return PartitionChangelog(
            connection=topic.connection,
            topic=topic.name,
            partition=0,
            transactional_id=f"{topic.name}-0",
            **more,
        )

    owner = changelog(probe=leave)
    owner.open(30)
    owner.commit([StateRecord(b"a", b"whole")], at(10), [], 30)
    with pytest.raises(LeftError):
        owner.commit([StateRecord(b"a", b"half")], at(20), [], 30)
    owner._producer.flush(30)
    assert changelog(patience=0).open(30).positions == at(10)


READERS: dict[str, Callable[[Topic], list[bytes | None]]] = {
    "records": lambda topic: [
        message.value()
        for message in records(topic.connection, topic.starts, Ends(topic.ends, patience=SOON))
    ],
    "batches": lambda topic: [
        message.value()
        for batch in batches(topic.connection, topic.starts, Ends(topic.ends, patience=SOON))
        for message in batch
    ],
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_of_all_there_is_does_not_end_at_an_open_transaction(
    topic: Topic, name: str
) -> None:
    read = READERS[name]
    topic.send(b"one")
    topic.leave_open()
    topic.send(b"two")
    with pytest.raises(OpenTransactionError, match="can be read up to offset 1 only"):
        read(topic)
    topic.abort()
    assert read(topic) == [b"one", b"two"]


def test_a_reader_waits_for_a_transaction_that_ends(topic: Topic) -> None:
    topic.send(b"one")
    topic.leave_open()
    topic.send(b"two")
    found: list[bytes | None] = []
    reading = records(topic.connection, topic.starts, Ends(topic.ends, patience=60))
    found.append(next(reading).value())
    topic.abort()
    found += [message.value() for message in reading]
    assert found == [b"one", b"two"]


def test_a_signal_consumer_does_not_end_at_an_open_transaction(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "Ends", partial(Ends, patience=SOON))
    monkeypatch.setenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", topic.connection.bootstrap_servers)
    topic.send(CODECS.signals.encode(values.signal(signal_id="s-1", tick_offset=1)))
    topic.leave_open()
    topic.send(CODECS.signals.encode(values.signal(signal_id="s-2", tick_offset=2)))
    seen: list[str] = []
    with SignalConsumer(
        group=f"{topic.name}-g", topic=topic.name, from_beginning=True, until_end=True
    ) as signals:
        with pytest.raises(OpenTransactionError):
            seen += [signal.signal_id for signal in signals]
        topic.abort()
        seen += [signal.signal_id for signal in signals]
    assert seen[-1] == "s-2"


def test_activations_behind_an_open_transaction_are_read(topic: Topic) -> None:
    topic.leave_open(b"1")
    topic.send(b"2")
    log = ActivationLog(topic.connection, topic.name, lambda value, _: value)  # type: ignore[arg-type,return-value]
    assert list(log.read_new()) == [b"1", b"2"]


def event(state: TradingState) -> bytes:
    return CODECS.control.encode(
        ControlEvent(
            account=ALL_ACCOUNTS,
            state=state,
            reason="a test",
            issued_by="me",
            issued_at=datetime(2026, 1, 5, tzinfo=UTC),
        )
    )


@pytest.fixture
def watch(topic: Topic) -> Generator[Callable[[], TradingStates]]:
    entered: list[ControlWatcher] = []

    def start() -> TradingStates:
        states = TradingStates(time.monotonic, outdated_after=3)
        watcher = ControlWatcher(
            connection=topic.connection,
            topic=topic.name,
            decoder=CODECS.control,
            states=states,
            patience=SOON,
        )
        watcher.__enter__()
        entered.append(watcher)
        return states

    yield start
    for watcher in entered:
        watcher.__exit__()


def until(holds: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(600):
        if holds():
            return
        done.wait(0.1)
    raise AssertionError("not within 60 s")


def test_nobody_starts_on_trading_states_of_which_the_newest_are_hidden(
    topic: Topic, watch: Callable[[], TradingStates]
) -> None:
    topic.leave_open(event(TradingState.ACTIVE))
    topic.send(event(TradingState.HALTED))
    with pytest.raises(KafkaError, match=r"trading states are not known.*--start-offset 0"):
        watch()
    topic.abort()
    assert watch().of("paper") is TradingState.HALTED


def test_hidden_events_halt_trading_until_they_can_be_read(
    topic: Topic, watch: Callable[[], TradingStates], caplog: pytest.LogCaptureFixture
) -> None:
    topic.send(event(TradingState.ACTIVE))
    states = watch()
    assert states.of("paper") is TradingState.ACTIVE
    topic.leave_open(event(TradingState.ACTIVE))
    until(lambda: states.of("paper") is TradingState.HALTED)
    assert [e.state for e in states.events()] == [TradingState.ACTIVE]
    topic.send(event(TradingState.REDUCING))
    topic.abort()
    until(lambda: states.of("paper") is TradingState.REDUCING)
    assert len([r for r in caplog.records if r.levelname == "CRITICAL"]) == 1


def test_the_ends_that_lag_is_measured_by_include_what_cannot_be_read(topic: Topic) -> None:
    ends = EndReader(topic.connection)
    topic.send(b"one")
    assert ends([topic.partition]) == {topic.partition: End(1, 1)}
    topic.leave_open()
    topic.send(b"two", b"three")
    assert ends([topic.partition]) == {topic.partition: End(readable=1, last=4)}
    topic.abort()
    until(lambda: ends([topic.partition]) == {topic.partition: End(5, 5)})
