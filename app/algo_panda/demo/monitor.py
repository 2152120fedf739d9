"""Watches the topics and the consumer groups, as any outsider could."""

import contextlib
from collections.abc import Mapping
from typing import Self

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import Message as ClientMessage

from algo_panda.demo.environment import DemoEnvironment
from algo_panda.demo.tally import Tally
from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin import end_offsets
from algo_panda.kafka.clients import consumer_config
from algo_panda.kafka.connection import connect
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.groups import committed_offsets
from algo_panda.wire.codecs import Codecs
from algo_panda.wire.dead_letter import SUFFIX
from algo_panda.wire.errors import WireError

_BATCH = 5_000


class Monitor:
    """Counts what is on the topics, and knows when nothing more is to come."""

    def __init__(self, environment: DemoEnvironment, codecs: Codecs) -> None:
        self._prefix = environment.settings.topic_prefix
        self._codecs = codecs
        self._connection = environment.connection
        self._admin = connect(environment.connection)
        self.tally = Tally()
        self._consumer = Consumer(
            consumer_config(environment.connection, auto_offset_reset="earliest")
        )
        watched = [
            topic
            for topic in declared_topics(environment.settings).values()
            if topic.name in ("signals", "orders", "executions", "rejections")
            or topic.name.endswith(SUFFIX)
        ]
        self._ends: dict[tuple[str, int], int] = {}
        self._consumer.assign(
            [TopicPartition(t.on_broker, n, 0) for t in watched for n in range(t.partitions)]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def look(self, wait: float) -> bool:
        """Take what is new, waiting so many seconds for a first record; whether there was any."""
        first = self._consumer.poll(wait)
        if first is None:
            return False
        for message in (first, *self._consumer.consume(_BATCH, 0)):
            self._take(message)
        return True

    def has_settled(self, published: int) -> bool:
        """Whether every stage has processed all that the one before it gave, and we saw it all.

        Asked in the order of the flow, so that what a stage gave is final when the next is asked.
        """
        self.tally.ticks_processed = self._processed("runner", "ticks")
        return (
            self.tally.ticks_processed >= published
            and self._is_through("risk", "signals")
            and self._is_through("router", "orders")
            and self._is_through("paper", "paper-orders")
            and self._is_through("paper", "ticks")
            and self._is_through("risk", "executions")
            and self._has_seen("signals", "orders", "executions", "rejections")
        )

    def _take(self, message: ClientMessage) -> None:
        topic, partition = message.topic() or "", message.partition() or 0
        error = message.error()
        if error is not None:
            if error.code() != ClientError._PARTITION_EOF:  # noqa: SLF001 - its public name
                raise KafkaError(f"{topic}[{partition}]: {error.str()}")
            self._ends[topic, partition] = message.offset() or 0
            return
        # What cannot be decoded is a dead letter a moment later, and counted as such.
        with contextlib.suppress(WireError):
            self._count(topic.removeprefix(self._prefix), message.value())

    def _count(self, topic: str, value: bytes | None) -> None:
        tally = self.tally
        match topic:
            case "signals":
                tally.take_signal(self._codecs.signals.decode(value))
            case "executions":
                tally.take_execution(self._codecs.executions.decode(value))
            case "orders":
                tally.orders += 1
            case "rejections":
                tally.rejections += 1
            case _:
                tally.dead_letters += 1

    def _processed(self, program: str, topic: str) -> int:
        return sum(self._committed(program, topic).values())

    def _is_through(self, program: str, topic: str) -> bool:
        committed = self._committed(program, topic)
        ends = end_offsets(self._admin, [self._prefix + topic])
        return all(committed.get(where, 0) >= end for where, end in ends.items())

    def _has_seen(self, *topics: str) -> bool:
        ends = end_offsets(self._admin, [self._prefix + topic for topic in topics])
        return all(self._ends.get(where, 0) >= end for where, end in ends.items())

    def _committed(self, program: str, topic: str) -> Mapping[tuple[str, int], int]:
        group = f"{self._prefix}panda-{program}"
        name = self._prefix + topic
        found = committed_offsets(self._connection, group, [name])
        return {where: offset for where, offset in found.items() if offset > 0}
