"""Reading records one by one, and knowing when all of a topic has been read."""

import logging
from collections.abc import Callable, Collection, Generator, Mapping
from operator import methodcaller

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from algo_panda.kafka.admin_calls import Partition
from algo_panda.kafka.clients import ConfigValue, KafkaConnection, consumer_config
from algo_panda.kafka.connection import failure

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
"""How long an interrupt from the keyboard may wait."""

_AT_END = confluent_kafka.KafkaError._PARTITION_EOF  # noqa: SLF001 (a public code, named this way)
_TOO_SLOW = confluent_kafka.KafkaError._MAX_POLL_EXCEEDED  # noqa: SLF001


class Ends:
    """Where partitions ended at one moment, and which of them have been read that far."""

    def __init__(self, ends: Mapping[Partition, int]) -> None:
        """Take the offsets that the next record of each partition would have got."""
        self._ends = dict(ends)
        self._next: dict[Partition, int] = {}
        self._reached: set[Partition] = set()

    def takes(self, partition: Partition, offset: int) -> bool:
        """Note that the record at ``offset`` was read; whether it stood there at that moment."""
        end = self._ends.get(partition, 0)
        self._next[partition] = offset + 1
        if offset >= end - 1:
            self._reached.add(partition)
        return offset < end

    def note_end(self, partition: Partition) -> None:
        """Note that there is nothing more to read: the last offsets may be no records."""
        self._reached.add(partition)

    def left(self, starts: Mapping[Partition, int]) -> int:
        """How many offsets are left of what is read from ``starts``: so many records, or fewer."""
        return sum(
            max(0, self._ends.get(partition, 0) - self._next.get(partition, start))
            for partition, start in starts.items()
        )

    def reached(self, partitions: Collection[Partition]) -> bool:
        """Whether all of ``partitions`` have been read that far."""
        return self._reached.issuperset(partitions)


def next_record(
    connection: KafkaConnection,
    consumer: Consumer,
    ends: Ends | None,
    assigned: Callable[[], Collection[Partition] | None],
) -> Message | None:
    """Wait for the next record.

    Args:
        connection: The cluster, for messages.
        consumer: Made with ``consumer_config``.
        ends: Where to stop; None: nowhere.
        assigned: The partitions that are this consumer's; None while it has not been told.

    Returns:
        The record, or None where all partitions have been read to their ends.

    Raises:
        KafkaError: the topic or the group cannot be read.
    """
    while True:
        if ends is not None:
            partitions = assigned()
            if partitions is not None and ends.reached(partitions):
                return None
        try:
            message = consumer.poll(_POLL_SECONDS)
        except KafkaException as error:
            raise failure("read from Kafka", error, connection) from error
        if message is None:
            continue
        problem = message.error()
        partition = _partition(message)
        if problem is not None:
            _heed(connection, problem, ends, partition)
        elif ends is None or ends.takes(partition, int(message.offset() or 0)):
            return message


def _heed(
    connection: KafkaConnection,
    error: confluent_kafka.KafkaError,
    ends: Ends | None,
    partition: Partition,
) -> None:
    if error.code() == _AT_END:
        if ends is not None:
            ends.note_end(partition)
    elif error.code() == _TOO_SLOW or error.retriable():
        logger.warning("%s[%d]: %s", *partition, error.str())
    else:
        topic = partition[0]
        raise failure(f"read {topic}" if topic else "read", KafkaException(error), connection)


def records(
    connection: KafkaConnection, starts: Mapping[Partition, int], ends: Ends | None = None
) -> Generator[Message]:
    """Yield the committed records of some partitions, in no group; in order within each.

    Args:
        connection: The cluster.
        starts: The partitions, and the offset to begin at in each.
        ends: Where to stop; None: nowhere.

    Raises:
        KafkaError: a topic cannot be read.
    """
    consumer = Consumer(consumer_config(connection, auto_offset_reset="earliest"))
    try:
        consumer.assign([TopicPartition(*partition, at) for partition, at in starts.items()])
        while (message := next_record(connection, consumer, ends, lambda: starts)) is not None:
            yield message
    finally:
        consumer.close()


def batches(
    connection: KafkaConnection,
    starts: Mapping[Partition, int],
    ends: Ends | None = None,
    *,
    most: int = 4_000,
    settings: Mapping[str, ConfigValue] | None = None,
) -> Generator[list[Message]]:
    """Yield the committed records of some partitions, many at a time, in no group.

    In order within each partition. A batch may be empty: a chance to do something else. The
    client begins to fetch at once, before the first batch is asked for.

    Args:
        connection: The cluster.
        starts: The partitions, and the offset to begin at in each.
        ends: Where to stop; None: nowhere.
        most: Records in a batch.
        settings: More librdkafka settings, with underscores for dots.

    Raises:
        KafkaError: a topic cannot be read, or has not kept what was to be read.
    """
    chosen: dict[str, ConfigValue] = {"auto_offset_reset": "error", **(settings or {})}
    consumer = Consumer(consumer_config(connection, **chosen))
    consumer.assign([TopicPartition(*partition, at) for partition, at in starts.items()])
    return _batches(connection, consumer, starts, ends, most)


def _batches(
    connection: KafkaConnection,
    consumer: Consumer,
    starts: Mapping[Partition, int],
    ends: Ends | None,
    most: int,
) -> Generator[list[Message]]:
    try:
        while ends is None or not ends.reached(starts):
            # The client waits for as many as it is asked for: at the end these do not come.
            if ends is not None:
                most = min(most, max(1, ends.left(starts)))
            try:
                messages = consumer.consume(most, _POLL_SECONDS)
            except KafkaException as error:
                raise failure("read from Kafka", error, connection) from error
            yield _wanted(connection, messages, ends, starts)
    finally:
        consumer.close()


_ERROR = methodcaller("error")


def _wanted(
    connection: KafkaConnection,
    messages: list[Message],
    ends: Ends | None,
    partitions: Collection[Partition],
) -> list[Message]:
    """The records among ``messages`` that are to be read."""
    if not any(map(_ERROR, messages)):
        if ends is None or not messages:
            return messages
        if len(partitions) == 1 and ends.takes(*_place(messages[-1])):
            return messages
    return [message for message in messages if _is_wanted(connection, message, ends)]


def _is_wanted(connection: KafkaConnection, message: Message, ends: Ends | None) -> bool:
    problem = message.error()
    if problem is None:
        return ends is None or ends.takes(*_place(message))
    _heed(connection, problem, ends, _partition(message))
    return False


def _place(message: Message) -> tuple[Partition, int]:
    return _partition(message), int(message.offset() or 0)


def _partition(message: Message) -> Partition:
    return str(message.topic() or ""), int(message.partition() or 0)
