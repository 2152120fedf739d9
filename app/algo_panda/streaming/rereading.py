"""Reads records again that lie before the position of a partition."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection, consumer_config

_BATCH = 4000


def reread(
    connection: KafkaConnection, where: TopicPartition, end: int, timeout: float
) -> Iterator[list[Message]]:
    """Yield the records from ``where`` up to before ``end``, as far as they are retained.

    Only committed records, like the fetcher. Blocks while it waits.

    Raises:
        KafkaError: the broker refuses, gives nothing for ``timeout`` seconds, or holds no records
            up to ``end``.
    """
    # If the first records are gone, begin with the first that is there.
    consumer = Consumer(
        consumer_config(connection, auto_offset_reset="earliest", fetch_wait_max_ms=10)
    )
    try:
        consumer.assign([where])
        while True:
            # consume() alone would wait for a full batch.
            first = consumer.poll(timeout)
            if first is None:
                raise KafkaError(
                    f"cannot read {_name(where)} again: the broker returned nothing for"
                    f" {timeout:g} s"
                )
            messages = [first, *consumer.consume(_BATCH - 1, 0)]
            records = [m for m in messages if m.error() is None and (m.offset() or 0) < end]
            if records:
                yield records
            if len(records) < len(messages) and _is_over(messages, end):
                return
    except KafkaException as error:
        raise KafkaError(f"cannot read {_name(where)} again: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _is_over(messages: list[Message], end: int) -> bool:
    """Return whether ``end`` was reached.

    Raises:
        KafkaException: the broker refused.
        KafkaError: the topic can be read up to before ``end`` only.
    """
    for message in messages:
        error = message.error()
        if error is None:
            if (message.offset() or 0) >= end:
                return True
        elif error.code() != ClientError._PARTITION_EOF:  # noqa: SLF001 - its public name
            raise KafkaException(error)
        elif (message.offset() or 0) >= end:
            return True
        else:
            raise KafkaError(
                f"{message.topic()}[{message.partition()}] can be read up to offset"
                f" {message.offset()} only, and records up to offset {end} were processed: the"
                " broker has lost records"
            )
    return False


def _name(where: TopicPartition) -> str:
    return f"{where.topic}[{where.partition}]"
