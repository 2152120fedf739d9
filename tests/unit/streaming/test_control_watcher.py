"""The reader of ``control`` on a broker of the client library: what it reads, and what it survives.

What becomes of it when a real broker does not answer is in tests/integration/streaming.
"""

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import KafkaError as ClientError

from algo_panda.domain.errors import KafkaError
from algo_panda.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.streaming import control
from algo_panda.streaming.control import ControlWatcher, TradingStates
from algo_panda.wire.catalogue import SchemaError
from algo_panda.wire.codecs import load_codecs
from tests.support.processes import eventually

CODEC = load_codecs().control
MOCK_CLUSTER = KafkaConnection("127.0.0.1:1", client_config={"test.mock.num.brokers": 1})
HALTED, ACTIVE, REDUCING = TradingState.HALTED, TradingState.ACTIVE, TradingState.REDUCING


@dataclass
class Topic:
    """The topic ``control`` on a broker that lives in the producer."""

    producer: Producer = field(
        default_factory=lambda: Producer(
            producer_config(
                KafkaConnection("127.0.0.1:1", client_config={"test.mock.num.brokers": 1})
            )
        )
    )

    @property
    def connection(self) -> KafkaConnection:
        (broker,) = self.producer.list_topics(timeout=30).brokers.values()
        return KafkaConnection(f"{broker.host}:{broker.port}")

    def send(self, value: bytes | None) -> None:
        self.producer.produce("control", value, b"key", partition=0)
        assert self.producer.flush(30) == 0

    def set(self, account: str, state: TradingState) -> None:
        event = ControlEvent(
            account=account, state=state, reason="r", issued_by="me", issued_at=datetime.now(UTC)
        )
        self.send(CODEC.encode(event))


class Decoder:
    """Ours; it raises ``failure`` while there is one."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.calls = 0

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> ControlEvent:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return CODEC.decode(value, timestamp_ms)


class Rig:
    """A watcher; the clock of the states stands still unless it is moved."""

    def __init__(self, topic: Topic) -> None:
        self.now = 1000.0
        self.topic = topic
        self.decoder = Decoder()
        self.states = TradingStates(lambda: self.now, 5)
        self.watcher = ControlWatcher(
            connection=topic.connection,
            topic="control",
            decoder=self.decoder,
            states=self.states,
            clock=lambda: self.now,
            read_topic_id=lambda: "id",
        )

    def later(self, seconds: float) -> None:
        self.now += seconds

    def becomes(self, account: str, state: TradingState) -> bool:
        return eventually(lambda: self.states.of(account) is state)


@pytest.fixture
def topic() -> Topic:
    made = Topic()
    made.set(ALL_ACCOUNTS, ACTIVE)
    return made


@pytest.fixture
def rig(topic: Topic) -> Generator[Rig]:
    made = Rig(topic)
    with made.watcher:
        yield made


def told(caplog: pytest.LogCaptureFixture, *parts: str) -> list[str]:
    return [line for line in caplog.messages if all(part in line for part in parts)]


def test_what_is_there_is_known_before_it_begins_and_the_rest_is_followed(topic: Topic) -> None:
    topic.set("a", REDUCING)
    topic.send(None)
    topic.set("b", HALTED)
    rig = Rig(topic)
    with rig.watcher:
        assert [rig.states.of(one) for one in "abc"] == [REDUCING, HALTED, ACTIVE]
        assert rig.states.view().offset == 4
        topic.set("b", ACTIVE)
        assert rig.becomes("b", ACTIVE)
        assert rig.states.view().offset == 5
        assert rig.watcher.trouble is None


def test_a_client_that_the_broker_refuses_is_replaced(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the broker: the client knows an earlier leader, for minutes."""
    made: list[Consumer] = []
    is_refused = threading.Event()

    class Refusable(Consumer):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            made.append(self)

        def get_watermark_offsets(self, *args: Any, **kwargs: Any) -> Any:
            if self is made[0] and is_refused.is_set():
                raise KafkaException(ClientError(ClientError.FENCED_LEADER_EPOCH))
            return super().get_watermark_offsets(*args, **kwargs)

    monkeypatch.setattr(control, "Consumer", Refusable)
    rig = Rig(topic)
    with rig.watcher:
        is_refused.set()
        topic.set("a", HALTED)
        rig.later(10)  # nothing is confirmed any more: every account is halted
        assert eventually(lambda: rig.watcher.trouble is None)
        assert [rig.states.of(one) for one in "ab"] == [HALTED, ACTIVE]
    assert len(made) == 2


def test_an_empty_topic_is_read_too() -> None:
    topic = Topic()
    topic.producer.list_topics("control", 30)
    rig = Rig(topic)
    with rig.watcher:
        assert rig.states.of("a") is ACTIVE
        assert rig.watcher.trouble is None


@pytest.mark.parametrize(
    "failure",
    [SchemaError("the registry answers 503"), ZeroDivisionError("a defect"), SystemExit(1)],
    ids=lambda failure: type(failure).__name__,
)
def test_a_record_that_cannot_be_read_now_is_read_again_and_none_is_passed_over(
    rig: Rig, failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    rig.decoder.failure = failure
    calls = rig.decoder.calls
    rig.topic.set("a", HALTED)
    rig.topic.set("a", REDUCING)
    rig.topic.set("b", HALTED)
    assert eventually(lambda: rig.decoder.calls > calls + 2)
    assert rig.states.of("a") is ACTIVE
    assert eventually(lambda: rig.watcher.trouble is not None)
    assert str(failure) in str(rig.watcher.trouble)
    assert "the control thread fails" in str(rig.watcher.trouble)

    rig.later(5.5)
    assert rig.states.of("a") is rig.states.of("c") is HALTED
    assert str(rig.watcher.trouble).startswith("control cannot be read for ")
    assert "s: every account is treated as halted" in str(rig.watcher.trouble)
    assert eventually(lambda: bool(told(caplog, "all trading is halted until")))

    rig.decoder.failure = None
    assert rig.becomes("a", REDUCING)
    assert [rig.states.of(one) for one in "abc"] == [REDUCING, HALTED, ACTIVE]
    assert eventually(lambda: bool(told(caplog, "the recorded trading states apply")))
    assert rig.watcher.trouble is None
    assert len(told(caplog, "all trading is halted until")) == 1
    assert len(told(caplog, "the recorded trading states apply")) == 1
    assert len(told(caplog, "thread control", str(failure))) == 1


def test_a_record_that_is_no_event_halts_and_is_passed_over_as_before(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.topic.send(b"\0\0")
    assert rig.becomes("a", HALTED)
    assert told(caplog, "control[0] offset 1 cannot be read, so all trading is halted")
    assert rig.states.view().offset == 2
    rig.topic.set("a", ACTIVE)
    rig.topic.set("b", HALTED)
    assert eventually(lambda: len(rig.states.events()) == 3)
    assert rig.states.of("a") is HALTED
    rig.topic.set(ALL_ACCOUNTS, ACTIVE)
    assert rig.becomes("a", ACTIVE)
    assert rig.watcher.trouble is None


def test_where_it_never_could_be_read_it_does_not_begin_and_says_why(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_START_TIMEOUT", 5.0)
    rig = Rig(topic)
    rig.decoder.failure = SchemaError("the registry answers 503")
    with pytest.raises(KafkaError, match=r"could not be read in .*: SchemaError: the registry"):
        rig.watcher.__enter__()


def test_where_the_client_itself_fails_it_goes_on(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    real, left = rig.watcher._consumer, [3]

    class Failing:
        def poll(self, timeout: float) -> object:
            if left[0]:
                left[0] -= 1
                raise RuntimeError("no memory")
            return real.poll(timeout)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    rig.watcher._consumer = Failing()  # type: ignore[assignment]
    rig.topic.set("a", HALTED)
    assert rig.becomes("a", HALTED)
    assert len(told(caplog, "thread control: RuntimeError: no memory; trying again")) == 1


def test_the_states_are_confirmed_while_nothing_happens(rig: Rig) -> None:
    for _ in range(3):
        rig.later(20)
        assert rig.becomes("a", ACTIVE)


def test_read_once_the_states_stay_after_the_reader_has_gone(topic: Topic) -> None:
    states = TradingStates()
    topic.set("a", REDUCING)
    with ControlWatcher(
        connection=topic.connection,
        topic="control",
        decoder=CODEC,
        states=states,
        read_topic_id=lambda: "id",
    ):
        pass
    assert states.of("a") is REDUCING
    assert [event.account for event in states.events()] == [ALL_ACCOUNTS, "a"]


class EmptyTopic:
    """In place of the client: no record can be read, and more may be there than can be read."""

    def __init__(self) -> None:
        self.hidden = 0
        """Records behind an open transaction."""
        self.asked = 0
        self._has_said_so = False

    def assign(self, _places: list[TopicPartition]) -> None:
        self._has_said_so = False

    def poll(self, _timeout: float) -> object:
        if self._has_said_so:
            threading.Event().wait(0.001)
            return None
        self._has_said_so = True
        return self

    def error(self) -> ClientError:
        return ClientError(ClientError._PARTITION_EOF, "end")

    def offset(self) -> int:
        return 0

    def get_watermark_offsets(
        self, _place: TopicPartition, _timeout: float = 0, *, cached: bool
    ) -> tuple[int, int]:
        if cached:
            return 0, self.hidden
        self.asked += 1
        return 0, 0

    def close(self) -> None:
        pass


def test_events_behind_an_open_transaction_halt_until_they_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic, now = EmptyTopic(), [1000.0]
    monkeypatch.setattr(control, "Consumer", lambda _config: topic)
    monkeypatch.setattr(control, "wait_until_readable", lambda *_, **__: None)
    monkeypatch.setattr(control, "describe", lambda *_, **__: "the transaction at 0 is open")
    states = TradingStates(lambda: now[0], 5)
    watcher = ControlWatcher(
        connection=KafkaConnection("unused:1"),
        topic="control",
        decoder=CODEC,
        states=states,
        clock=lambda: now[0],
        read_topic_id=lambda: "id",
    )
    with watcher:
        topic.hidden = 1
        now[0] += 5.5
        until = topic.asked + 3
        assert eventually(lambda: topic.asked >= until or states.of("a") is ACTIVE)
        assert states.of("a") is HALTED
        assert "the transaction at 0 is open" in str(watcher.trouble)
        topic.hidden = 0
        assert eventually(lambda: states.of("a") is ACTIVE)
        assert watcher.trouble is None


class Broker:
    """Holds the topic ``control``, which can be created anew."""

    def __init__(self, *values: bytes) -> None:
        self.topic_id = "first"
        self.values = list(values)
        self.denial: KafkaError | None = None
        """Why it does not tell the topic's id."""
        self.before_id: Callable[[], None] = lambda: None
        """Called when a client has asked for the end and asks for the id now."""

    def recreate(self, topic_id: str, *values: bytes) -> None:
        self.topic_id, self.values = topic_id, list(values)

    def read_topic_id(self) -> str:
        self.before_id()
        if self.denial is not None:
            raise self.denial
        return self.topic_id


class Record:
    """A record, or without a value the end of the topic."""

    def __init__(self, offset: int, value: bytes | None = None) -> None:
        self._offset, self._value = offset, value

    def error(self) -> ClientError | None:
        is_end = self._value is None
        return ClientError(ClientError._PARTITION_EOF, "end") if is_end else None

    def value(self) -> bytes | None:
        return self._value

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 0, 0


class Client:
    """Knows topics by name alone, like the client of Kafka: it reads on at its offset."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._at, self._has_said_end = 0, False

    def assign(self, places: list[TopicPartition]) -> None:
        self._at, self._has_said_end = places[0].offset, False

    def poll(self, _timeout: float) -> Record | None:
        values = self._broker.values
        if self._at > len(values):
            self._at = 0  # auto.offset.reset
        if self._at < len(values):
            self._at, self._has_said_end = self._at + 1, False
            return Record(self._at - 1, values[self._at - 1])
        if not self._has_said_end:
            self._has_said_end = True
            return Record(self._at)
        threading.Event().wait(0.001)
        return None

    def get_watermark_offsets(
        self, _place: TopicPartition, _timeout: float = 0, *, cached: bool
    ) -> tuple[int, int]:
        return 0, len(self._broker.values)

    def close(self) -> None:
        pass


def encoded(account: str, state: TradingState) -> bytes:
    return CODEC.encode(
        ControlEvent(
            account=account, state=state, reason="r", issued_by="me", issued_at=datetime.now(UTC)
        )
    )


class Following:
    """A watcher of such a broker's topic, on a clock that only the test moves."""

    def __init__(self, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(control, "Consumer", lambda _config: Client(broker))
        monkeypatch.setattr(control, "wait_until_readable", lambda *_, **__: None)
        self.now = 1000.0
        self.states = TradingStates(lambda: self.now, 5)
        self.watcher = ControlWatcher(
            connection=KafkaConnection("unused:1"),
            topic="control",
            decoder=CODEC,
            states=self.states,
            accounts=("PAPER1", "zerodha"),
            clock=lambda: self.now,
            read_topic_id=broker.read_topic_id,
        )


@pytest.mark.parametrize("length", [1, 2, 3, 4, 9])
def test_a_topic_created_anew_is_read_from_its_first_record_however_long_it_is(
    length: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(*[encoded("old", REDUCING)] * 3)
    following = Following(broker, monkeypatch)
    with following.watcher:
        assert following.states.of("a") is ACTIVE
        broker.recreate("second", encoded("a", HALTED), *[encoded("b", REDUCING)] * (length - 1))
        following.now += 1.5
        assert eventually(lambda: following.states.of("a") is HALTED)
        following.now += 5.5
        assert eventually(lambda: following.states.outdated_seconds is None)
        assert following.states.view().offset == length
        assert following.states.of("old") is REDUCING
        assert following.states.of("c") is ACTIVE
    assert len(told(caplog, "control was deleted and created anew (id first, now second)")) == 1


def test_an_empty_topic_in_place_of_an_empty_one_is_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker()
    following = Following(broker, monkeypatch)
    with following.watcher:
        broker.recreate("second")
        following.now += 5.5
        assert eventually(lambda: following.states.of("a") is ACTIVE)


def test_a_topic_created_anew_while_the_watcher_starts_is_read_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker(*[encoded("b", REDUCING)] * 2)
    following = Following(broker, monkeypatch)
    asked: list[str] = []

    def recreate_at_second_question() -> None:
        asked.append(broker.topic_id)
        if len(asked) == 2:
            broker.recreate("second", encoded("a", HALTED), encoded("b", ACTIVE))

    broker.before_id = recreate_at_second_question
    with following.watcher:
        assert [following.states.of(one) for one in "ab"] == [HALTED, ACTIVE]
    assert asked[:3] == ["first", "first", "second"]


def test_states_are_not_confirmed_while_the_broker_does_not_tell_the_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker(encoded("b", REDUCING))
    following = Following(broker, monkeypatch)
    with following.watcher:
        broker.denial = KafkaError("there is no topic control")
        following.now += 5.5
        assert following.states.of("c") is HALTED
        assert eventually(lambda: "there is no topic control" in str(following.watcher.trouble))
        assert following.states.of("c") is HALTED
        broker.denial = None
        assert eventually(lambda: following.states.of("c") is ACTIVE)


def test_where_the_id_is_never_told_the_watcher_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control, "_START_TIMEOUT", 0.1)
    broker = Broker()
    broker.denial = KafkaError("there is no topic control")
    following = Following(broker, monkeypatch)
    with pytest.raises(KafkaError, match=r"could not be read in .*: there is no topic control"):
        following.watcher.__enter__()


def test_an_event_for_an_account_that_the_worker_does_not_have_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(*[encoded(one, ACTIVE) for one in (ALL_ACCOUNTS, "PAPER1", "zerodha")])
    following = Following(broker, monkeypatch)
    with following.watcher:
        assert not told(caplog, "has no such account")
        broker.values.append(encoded("paper", HALTED))
        assert eventually(lambda: following.states.of("paper") is HALTED)
        assert following.states.of("PAPER1") is ACTIVE
    (line,) = told(caplog, "has no such account")
    assert line.startswith("control[0] offset 3 sets account paper to HALTED, ")
    assert "its accounts are PAPER1, zerodha (PANDA_ACCOUNTS)" in line
    assert [r.levelname for r in caplog.records if r.getMessage() == line] == ["WARNING"]
