"""What a replay said, on topics of its own, as the live system writes it on its."""

import contextlib
from collections.abc import Generator, Mapping, Sequence

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, Message, Producer

from algo_panda.domain.errors import ConfigurationError, KafkaError
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.kafka.admin import connect
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.kafka.declarations import TopicDeclaration
from algo_panda.kafka.topic_apply import apply_differences
from algo_panda.kafka.topic_diff import TopicMissing, find_differences
from algo_panda.replay.ticks import TickColumns, Unusable
from algo_panda.replay.trading import Event
from algo_panda.wire.codecs import Codecs

WRITTEN = ("signals", "orders", "executions", "rejections")
"""The topics, by the names that they are declared under."""

_WAIT_SECONDS = 0.5
_PATIENCE_SECONDS = 120.0


class TopicsOutput:
    """A ``ReplayListener`` that sends signals, orders, executions and rejections."""

    def __init__(self, producer: Producer, topics: Mapping[str, str], codecs: Codecs) -> None:
        self._producer = producer
        self._topics = topics
        self._codecs = codecs
        self._failure: str | None = None

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        """Send them."""
        for signal in signals:
            key = instrument_key(signal.instrument_token)
            self._send("signals", key, self._codecs.signals.encode(signal))

    def events(self, events: Sequence[Event], /) -> None:
        """Send them: orders under their accounts."""
        codecs = self._codecs
        for event in events:
            key = instrument_key(event.instrument_token)
            match event:
                case Order():
                    self._send("orders", event.account.encode(), codecs.orders.encode(event))
                case ExecutionReport():
                    self._send("executions", key, codecs.executions.encode(event))
                case Rejection():
                    self._send("rejections", key, codecs.rejections.encode(event))

    def ticks(self, columns: TickColumns, /) -> None:
        """They are on record already."""

    def unusable_record(self, record: Unusable, /) -> None:
        """So is it."""

    def flush(self) -> None:
        """Wait until the broker has all.

        Raises:
            KafkaError: it did not take something.
        """
        left = self._producer.flush(_PATIENCE_SECONDS)
        if self._failure is not None or left:
            reason = self._failure or f"{left:,} records not confirmed"
            raise KafkaError(f"the broker did not take what the replay said: {reason}")

    def _send(self, name: str, key: bytes, value: bytes) -> None:
        while self._failure is None:
            try:
                self._producer.produce(
                    self._topics[name], value, key, on_delivery=self._on_delivery
                )
            except BufferError:
                self._producer.poll(_WAIT_SECONDS)
            except KafkaException as error:
                raise KafkaError(f"{self._topics[name]}: {error.args[0].str()}") from error
            else:
                self._producer.poll(0)
                return
        self.flush()

    def _on_delivery(self, error: ClientError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = f"{message.topic()}: {error.str()}"


@contextlib.contextmanager
def open_topics(
    connection: KafkaConnection, declared: Mapping[str, TopicDeclaration], codecs: Codecs
) -> Generator[TopicsOutput]:
    """Make new topics, and write to them.

    Args:
        connection: the cluster.
        declared: ``WRITTEN`` under the names that they are to have.
        codecs: of the records.

    Raises:
        ConfigurationError: one of them is there already.
        KafkaError: the broker refuses.
    """
    admin = connect(connection)
    wanted = [declared[name] for name in WRITTEN]
    differences = find_differences(admin, wanted)
    missing = {it.topic.on_broker for it in differences if isinstance(it, TopicMissing)}
    there = [topic.on_broker for topic in wanted if topic.on_broker not in missing]
    if there:
        raise ConfigurationError(f"the topic {there[0]} is there already; choose another name")
    apply_differences(admin, differences)
    config = producer_config(connection, linger_ms=5, compression_type="lz4")
    output = TopicsOutput(
        Producer(config), {topic.name: topic.on_broker for topic in wanted}, codecs
    )
    yield output
    output.flush()
