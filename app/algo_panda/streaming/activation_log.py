"""Reader of the topic ``activations``: each call returns the records added since the last one."""

import logging
import time
from collections.abc import Callable, Iterator

from algo_panda.domain.errors import KafkaError
from algo_panda.domain.trading import Activation
from algo_panda.kafka.admin import connect, end_offsets, topic_ids
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.reading import Ends, batches
from algo_panda.wire.errors import WireError

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 15.0


class ActivationLog:
    """Reader of ``activations`` that remembers its position.

    It also reads records of open and of aborted transactions: their content is true either way,
    and no worker waits for the transaction of another.

    If the topic was deleted and created anew, it is read from its first record again.
    """

    def __init__(
        self, kafka: KafkaConnection, topic: str, decode: Callable[[bytes | None, int], Activation]
    ) -> None:
        self._kafka = kafka
        self._admin = connect(kafka)
        self._partition = topic, 0
        self._decode = decode
        self._topic_id: str | None = None
        self._next = 0
        """Offset of the first record of the topic with that id that was not read."""

    def read_new(self) -> Iterator[Activation]:
        """Read up to the present end; records that are not activations are logged and skipped.

        Raises:
            KafkaError: the topic could not be read in 15 seconds.
        """
        topic, _ = self._partition
        # The id first: if the topic is created anew between the two, the next call reads it whole.
        topic_id = topic_ids(self._admin, [topic])[topic]
        ends = end_offsets(self._admin, [topic])
        end = ends[self._partition]
        if topic_id != self._topic_id or end < self._next:
            self._topic_id, self._next = topic_id, 0
        start = self._next
        if start == end:
            return
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        for messages in batches(
            self._kafka,
            {self._partition: start},
            Ends(ends),
            settings={"isolation_level": "read_uncommitted", "auto_offset_reset": "earliest"},
        ):
            for message in messages:
                try:
                    yield self._decode(message.value(), message.timestamp()[1])
                except WireError as error:
                    logger.warning(
                        "%s[0] offset %s is not an activation and is skipped: %s",
                        topic,
                        message.offset(),
                        error,
                    )
            if not messages and time.monotonic() > deadline:
                raise KafkaError(f"topic {topic} could not be read in {_TIMEOUT_SECONDS:.0f} s")
        self._next = end
