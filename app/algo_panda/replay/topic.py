"""The ticks that a topic holds when the replay begins; nothing is committed, no group joined."""

from collections.abc import Iterator, Mapping, Sequence
from operator import methodcaller

from confluent_kafka import Message

from algo_panda.kafka.admin import (
    Partition,
    connect,
    end_offsets,
    offsets_since,
    start_offsets,
    topic_ids,
)
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.reading import Ends, batches
from algo_panda.replay.decoding import TickDecoder, decode
from algo_panda.replay.ticks import RECEIVED, Refuse, TickColumns

_CLIENT = {
    "fetch_min_bytes": 100_000,
    "fetch_wait_max_ms": 20,
    "queued_max_messages_kbytes": 16_384,  # per partition: memory does not grow with the topic
}

_OFFSET, _TIMESTAMP = methodcaller("offset"), methodcaller("timestamp")
_KEY, _VALUE = methodcaller("key"), methodcaller("value")


class TopicTicks:
    """A topic of a broker, from its first record to its last, or from a moment on.

    Args:
        connection: the cluster.
        topic: its name on the broker.
        decoder: of ticks.
        from_us: records that all stand before this moment, microseconds since the epoch, need
            not be read; None: read all.

    Raises:
        KafkaError: no such topic, or the broker does not answer.
    """

    time_field = RECEIVED

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        decoder: TickDecoder,
        *,
        from_us: int | None = None,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._decoder = decoder
        admin = connect(connection)
        self.name = f"topic {topic}"
        self.topic_id = topic_ids(admin, [topic])[topic]
        self._ends: Mapping[Partition, int] = end_offsets(admin, [topic])
        self._starts: Mapping[Partition, int] = start_offsets(admin, [topic])
        if from_us is not None:
            since = offsets_since(admin, [topic], max(0, from_us // 1_000))
            self._starts = {
                where: max(start, since.get(where, self._ends[where]))
                for where, start in self._starts.items()
            }
        self.partitions: Sequence[int] = sorted(number for _, number in self._starts)

    @property
    def count(self) -> int:
        """How many records there are, or were before compaction."""
        return sum(self._ends.values()) - sum(self._starts.values())

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        """The ticks of a partition. They begin to be fetched at once.

        Raises:
            KafkaError: they cannot be read, or are not kept any more.
        """
        where = (self._topic, partition)
        start, end = self._starts[where], self._ends[where]
        if start >= end:
            return iter(())
        fetched = batches(self._connection, {where: start}, Ends({where: end}), settings=_CLIENT)
        return (self._columns(partition, messages, refuse) for messages in fetched)

    def _columns(self, partition: int, messages: Sequence[Message], refuse: Refuse) -> TickColumns:
        return decode(
            self._decoder,
            partition,
            offsets=[offset or 0 for offset in map(_OFFSET, messages)],
            timestamps_ms=[moment for _, moment in map(_TIMESTAMP, messages)],
            keys=list(map(_KEY, messages)),
            values=list(map(_VALUE, messages)),
            refuse=refuse,
        )
