"""Reading records one by one, and knowing when all of a topic has been read."""

import logging
import time
from collections.abc import Callable, Collection, Generator, Mapping
from operator import methodcaller

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from algo_panda.kafka.admin_calls import Partition
from algo_panda.kafka.clients import ConfigValue, KafkaConnection, consumer_config
from algo_panda.kafka.connection import KafkaUnreachableError, failure
from algo_panda.kafka.open_transactions import PATIENCE_SECONDS, refuse_unreadable

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
"""How long an interrupt from the keyboard may wait."""

_AT_END = confluent_kafka.KafkaError._PARTITION_EOF  # noqa: SLF001 (a public code, named this way)
_TOO_SLOW = confluent_kafka.KafkaError._MAX_POLL_EXCEEDED  # noqa: SLF001


class Ends:
    """Where partitions ended at one moment, and which of them have been read that far."""

    def __init__(
        self,
        ends: Mapping[Partition, int],
        *,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the offsets that the next record of each partition would have got.

        Args:
            ends: The offsets.
            patience: Seconds without a record after which it is asked why.
            clock: Seconds, monotonic.
        """
        self._ends = dict(ends)
        self._patience = patience
        self._clock = clock
        self._next: dict[Partition, int] = {}
        self._reached: set[Partition] = set()
        self._idle_since: float | None = None

    def begin(self, starts: Mapping[Partition, int]) -> None:
        """Note where reading begins: at its end, there is nothing to wait for."""
        self._reached.update(one for one, start in starts.items() if start >= self._end(one))

    def takes(self, partition: Partition, offset: int) -> bool:
        """Note that the record at ``offset`` was read; whether it stood there at that moment."""
        end = self._end(partition)
        self._next[partition] = offset + 1
        if offset >= end - 1:
            self._reached.add(partition)
        if offset >= end:
            return False
        self._idle_since = None
        return True

    def note_end(self, partition: Partition, offset: int) -> None:
        """Note that the client found no record before ``offset``, and none behind it.

        The last offsets of a partition may be no records. If ``offset`` lies before its end, an
        open transaction hides what is between.
        """
        if offset >= self._end(partition):
            self._reached.add(partition)

    def overdue(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return the ends that were not reached, if no record before them came for too long.

        Called whenever none came: what the caller does between records does not count.
        """
        now = self._clock()
        if self._idle_since is None:
            self._idle_since = now
        if now < self._idle_since + self._patience:
            return {}
        self._idle_since = None
        return {one: self._end(one) for one in partitions if one not in self._reached}

    def left(self, starts: Mapping[Partition, int]) -> int:
        """How many offsets are left of what is read from ``starts``: so many records, or fewer."""
        return sum(
            max(0, self._end(partition) - self._next.get(partition, start))
            for partition, start in starts.items()
        )

    def reached(self, partitions: Collection[Partition]) -> bool:
        """Whether all of ``partitions`` have been read that far."""
        return self._reached.issuperset(partitions)

    def _end(self, partition: Partition) -> int:
        return self._ends.get(partition, 0)


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
        OpenTransactionError: an open transaction hides records before the ends.
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
        if message is not None and _is_wanted(connection, message, ends):
            return message
        if ends is not None:
            _refuse_overdue(connection, ends, assigned() or ())


def _refuse_overdue(
    connection: KafkaConnection, ends: Ends, partitions: Collection[Partition]
) -> None:
    overdue = ends.overdue(partitions)
    if not overdue:
        return
    try:
        refuse_unreadable(connection, overdue)
    except KafkaUnreachableError as error:
        logger.warning("%s", error)  # the client connects again by itself


def _heed(
    connection: KafkaConnection,
    error: confluent_kafka.KafkaError,
    ends: Ends | None,
    message: Message,
) -> None:
    partition, offset = _place(message)
    if error.code() == _AT_END:
        if ends is not None:
            ends.note_end(partition, offset)
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
        OpenTransactionError: an open transaction hides records before the ends.
        KafkaError: a topic cannot be read.
    """
    consumer = Consumer(consumer_config(connection, auto_offset_reset="earliest"))
    if ends is not None:
        ends.begin(starts)
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
        OpenTransactionError: an open transaction hides records before the ends.
        KafkaError: a topic cannot be read, or has not kept what was to be read.
    """
    if ends is not None:
        ends.begin(starts)
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
            wanted = _wanted(connection, messages, ends, starts)
            if ends is not None and not wanted:
                _refuse_overdue(connection, ends, starts)
            yield wanted
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
    _heed(connection, problem, ends, message)
    return False


def _place(message: Message) -> tuple[Partition, int]:
    return _partition(message), int(message.offset() or 0)


def _partition(message: Message) -> Partition:
    return str(message.topic() or ""), int(message.partition() or 0)
