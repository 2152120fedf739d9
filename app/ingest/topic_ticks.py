"""The ticks that a topic holds at this moment, from its first to its last."""

from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from app.domain.errors import KafkaError
from app.domain.market import MarketTick
from app.kafka.admin import connect, end_offsets, start_offsets
from app.kafka.connection import LIBRDKAFKA_LOG, failure
from app.wire.errors import WireError

Decode = Callable[[bytes | None, int], MarketTick]
"""``TickCodec.decode``: a value, and the record's timestamp in milliseconds."""

_BATCH = 4_000
_WAIT_SECONDS = 0.1
_PATIENCE = 300
"""Waits without a record after which the broker counts as silent."""


class TopicSilentError(KafkaError):
    """The broker says that there are more records, and does not give them."""


class TopicTicks:
    """What was on the topic when the iteration began; no group, nothing is committed.

    Ticks of one instrument come in their order, as they all are in one partition; those of
    different partitions come as the broker gives them. A record that is no tick is passed over,
    as the runner passes it over, and counted.
    """

    def __init__(self, bootstrap_servers: str, topic: str, decode: Decode) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._decode = decode
        self.undecodable = 0
        """Records passed over."""

    def __iter__(self) -> Iterator[MarketTick]:
        """Read on to the end.

        Raises:
            KafkaError: no such topic, or the broker does not answer.
        """
        admin = connect(self._servers)
        starts, ends = start_offsets(admin, [self._topic]), end_offsets(admin, [self._topic])
        left = {where[1]: end for where, end in ends.items() if end > starts[where]}
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(*where, at) for where, at in starts.items()])
            waits = 0
            while left:
                messages = consumer.consume(_BATCH, _WAIT_SECONDS)
                waits = 0 if messages else waits + 1
                if waits == _PATIENCE:
                    raise TopicSilentError(f"{self._servers} stopped sending {self._topic}")
                for message in messages:
                    tick = self._take(message, left)
                    if tick is not None:
                        yield tick
        except KafkaException as error:
            raise failure(f"read {self._topic}", error) from error
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self._servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
        return Consumer(config, logger=LIBRDKAFKA_LOG)

    def _take(self, message: Message, left: dict[int, int]) -> MarketTick | None:
        """The tick in ``message``; takes partitions that are at their end out of ``left``."""
        number, offset = message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None:
            if error.code() != ClientError._PARTITION_EOF:  # noqa: SLF001 - its public name
                raise KafkaException(error)
            left.pop(number, None)
            return None
        if number not in left:
            return None
        if offset + 1 >= left[number]:
            del left[number]
        try:
            return self._decode(message.value(), message.timestamp()[1])
        except WireError:
            self.undecodable += 1
            return None
