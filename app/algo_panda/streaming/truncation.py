"""Checks that the broker still has the records that the state of a partition was computed from.

A broker that loses the end of its log, for example by a power loss without replicas, gives the
offsets of lost records to new ones. The topic keeps its id, so only its records show it.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from algo_panda.domain.errors import KafkaError
from algo_panda.domain.timestamps import from_micros, iso_utc
from algo_panda.kafka.clients import KafkaConnection, consumer_config
from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.marks import RecordMark
from algo_panda.streaming.operator import StreamSpec

LOST_OFFSET = frozenset(
    {
        ClientError._AUTO_OFFSET_RESET,  # noqa: SLF001 - librdkafka's own name for it
        ClientError._LOG_TRUNCATION,  # noqa: SLF001
        ClientError.OFFSET_OUT_OF_RANGE,
    }
)
"""Errors of the client for an offset that is not in the log."""

_AT_END = ClientError._PARTITION_EOF  # noqa: SLF001 - its public name
_POLL_SECONDS = 0.2


class TopicTruncatedError(KafkaError):
    """An input topic lost records that were processed, or has others in their place."""


def check_not_truncated(
    connection: KafkaConnection,
    spec: StreamSpec,
    partition: int,
    positions: Positions,
    timeout: float,
) -> None:
    """Check that each input reaches its position and has the last processed record. Blocks.

    If retention has removed that record, it cannot be compared, and that is no error.

    Raises:
        TopicTruncatedError: a topic does not; the message says what to do.
        KafkaError: the broker refuses, or gives no answer in ``timeout`` seconds.
    """
    inputs = [
        _Input(spec, topic, partition, offset, positions.marks.get(topic))
        for topic, offset in positions.offsets.items()
        if topic in spec.inputs
    ]
    consumer = Consumer(
        consumer_config(
            connection,
            auto_offset_reset="error",
            fetch_wait_max_ms=10,
            # One record is of interest.
            fetch_message_max_bytes=65_536,
        )
    )
    try:
        for one in inputs:
            # Of its own accord the client asks only once a second where a topic is.
            consumer.list_topics(one.topic, timeout)
            # The end first: while a new leader learns how much is committed, the topic seems
            # shorter than it is, but an offset behind its last record is out of range at once.
            if _is_kept(consumer, one, timeout) and one.mark is not None:
                _compare(consumer, one, one.mark, timeout)
    except KafkaException as error:
        names = ", ".join(one.topic for one in inputs)
        raise KafkaError(f"{names}[{partition}]: {error.args[0].str()}") from error
    finally:
        consumer.close()


class _Input(NamedTuple):
    """Position in one input."""

    spec: StreamSpec
    topic: str
    partition: int
    next_offset: int
    mark: RecordMark | None

    def at(self, offset: int) -> TopicPartition:
        """Return a place in it."""
        return TopicPartition(self.topic, self.partition, offset)

    def truncated(self, fault: str) -> TopicTruncatedError:
        """Build the error: the fault, and what to do."""
        topic, spec = self.topic, self.spec
        return TopicTruncatedError(
            f"topic {topic} lost records that were processed: the state of {spec.group} stands at"
            f" offset {self.next_offset} of partition {self.partition}, and {fault}. Outputs of the"
            " lost records may have been sent, and new records at their offsets would get the same"
            f" ids. Restore the log of {topic}[{self.partition}]; or begin anew: stop all workers,"
            f" delete the topics {topic} and {spec.changelog}, run 'panda topics apply' and send"
            " the records again"
        )


def _is_kept(consumer: Consumer, one: _Input, timeout: float) -> bool:
    """Return whether the record at the position can be read; False if retention removed it.

    Raises:
        TopicTruncatedError: the topic ends before it.
    """
    consumer.assign([one.at(one.next_offset)])
    for message in _messages(consumer, one, timeout):
        error = message.error()
        if error is None:
            return True
        if error.code() in LOST_OFFSET:
            _, end = consumer.get_watermark_offsets(one.at(one.next_offset), timeout)
            if end < one.next_offset:
                raise one.truncated(f"the topic ends at offset {end} now")
            return False
        if error.code() != _AT_END:
            raise KafkaException(error)
        if (message.offset() or 0) >= one.next_offset:
            return True
    raise KafkaError(f"topic {one.topic}[{one.partition}]: no answer in {timeout:.0f} s")


def _compare(consumer: Consumer, one: _Input, mark: RecordMark, timeout: float) -> None:
    """Check that the last record before the position is the one that was processed.

    Raises:
        TopicTruncatedError: it is another one, or none.
    """
    consumer.assign([one.at(mark.offset)])
    is_found = False
    for message in _messages(consumer, one, timeout):
        error, offset = message.error(), message.offset() or 0
        if error is not None and error.code() in LOST_OFFSET:
            return  # retention has removed it
        if error is not None and error.code() != _AT_END:
            raise KafkaException(error)
        if error is None and offset < one.next_offset:
            _compare_record(one, mark, message)
            is_found = True
        elif not is_found:
            raise one.truncated(f"there is no record at offset {mark.offset} any more")
        if offset + 1 >= one.next_offset:
            return
    raise KafkaError(f"topic {one.topic}[{one.partition}]: no answer in {timeout:.0f} s")


def _compare_record(one: _Input, mark: RecordMark, record: Message) -> None:
    found = RecordMark.of(record)
    if found == mark:
        return
    if found.offset != mark.offset:
        raise one.truncated(f"the record at offset {found.offset} is not one that was processed")
    raise one.truncated(
        f"the record at offset {found.offset} is another one now, written at {_time(found)} and"
        f" not at {_time(mark)}"
    )


def _messages(consumer: Consumer, one: _Input, timeout: float) -> Iterator[Message]:
    """Yield messages of one topic, and errors of no topic, for so many seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        message = consumer.poll(_POLL_SECONDS)
        if message is not None and (message.topic() or one.topic) == one.topic:
            yield message


def _time(mark: RecordMark) -> str:
    return iso_utc(from_micros(mark.timestamp_ms * 1000))
