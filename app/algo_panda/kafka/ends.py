"""Asks where topics end, again and again, with a client of its own."""
# The client's futures have no type of their result:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false, reportUnknownArgumentType=false

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from algo_panda.kafka.admin_calls import Partition
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import Admin, connect, failure, refused_login

_REQUEST_SECONDS = 5.0


class End(NamedTuple):
    """Where a partition ends."""

    readable: int
    """The offset behind the last record that a reader of committed records is given."""
    last: int
    """The offset behind the last record, be it behind a transaction that is still open."""


ReadEnds = Callable[[Collection[Partition]], Mapping[Partition, End]]
"""Where partitions end; raises ``KafkaError``."""


class EndReader:
    """Connects when it is first asked. For one thread."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._admin: Admin | None = None

    def __call__(self, partitions: Collection[Partition]) -> dict[Partition, End]:
        """Return where each of ``partitions`` ends.

        Raises:
            KafkaError: the broker does not answer within some seconds, or refuses.
        """
        if not partitions:
            return {}
        if self._admin is None:
            self._admin = connect(self._connection, timeout_seconds=_REQUEST_SECONDS)
        # In this order: what is committed in between must not look as if it were held back.
        last = self._ends(self._admin, partitions, IsolationLevel.READ_UNCOMMITTED)
        readable = self._ends(self._admin, partitions, IsolationLevel.READ_COMMITTED)
        return {one: End(readable[one], max(last[one], readable[one])) for one in partitions}

    def _ends(
        self, admin: Admin, partitions: Collection[Partition], isolation: IsolationLevel
    ) -> dict[Partition, int]:
        latest: OffsetSpec = getattr(OffsetSpec, "latest")()  # noqa: B009 - it has no types
        futures = admin.list_offsets(
            {TopicPartition(*partition): latest for partition in partitions},
            isolation_level=isolation,
            request_timeout=_REQUEST_SECONDS,
        )
        ends: dict[Partition, int] = {}
        for partition, answer in futures.items():
            where = f"{partition.topic}[{partition.partition}]"
            try:
                ends[partition.topic, partition.partition] = answer.result().offset
            except KafkaException as error:
                # If a login is refused after the start, the request itself only times out.
                unread = failure(f"read the end of {where}", error, self._connection)
                if error.args[0].code() > 0:
                    # The broker's own answer. After its restart, a client that knows of an earlier
                    # leader is refused until it looks for the leaders again, minutes later.
                    self._admin = None
                raise (refused_login(admin) or unread) from error
        admin.errors.clear()
        return ends
