"""The ticks that a topic holds at this moment, from its first to its last."""

from collections.abc import Callable, Iterator

from algo_panda.domain.market import MarketTick
from algo_panda.kafka.admin import connect, end_offsets, start_offsets
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.reading import Ends, records
from algo_panda.wire.errors import WireError

Decode = Callable[[bytes | None, int], MarketTick]
"""``TickCodec.decode``: a value, and the record's timestamp in milliseconds."""


class TopicTicks:
    """What is on the topic when an iteration begins; nothing is committed.

    Ticks of one instrument come in their order, as they all are in one partition; those of
    different partitions come as the broker gives them. A record that is no tick is passed over,
    as the runner passes it over, and counted.
    """

    def __init__(self, connection: KafkaConnection, topic: str, decode: Decode) -> None:
        self._connection = connection
        self._topic = topic
        self._decode = decode
        self.undecodable = 0
        """Records passed over."""

    def __iter__(self) -> Iterator[MarketTick]:
        """Read on to the end.

        Raises:
            KafkaError: no such topic, or the broker does not answer.
        """
        self.undecodable = 0
        admin = connect(self._connection)
        starts, ends = start_offsets(admin, [self._topic]), end_offsets(admin, [self._topic])
        for record in records(self._connection, starts, Ends(ends)):
            try:
                yield self._decode(record.value(), record.timestamp()[1])
            except WireError:
                self.undecodable += 1
