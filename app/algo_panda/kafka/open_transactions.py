"""Transactions that are open, and hide from readers of committed records all that lies behind.

Such a reader is given the records before the first open transaction; that offset is the last
stable offset, and there its client reports the end of the partition. Who must know the whole of
a topic asks here whether that is its end.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin_calls import REQUEST_SECONDS, Partition, list_offsets
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import connect

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 15.0
"""How long a transaction may stay open before it is an error.

A broker writes the marker that ends a transaction a moment after it has confirmed that end.
"""

_ASK_AGAIN_SECONDS = 0.1


class OpenTransactionError(KafkaError):
    """Records cannot be read because a transaction before them does not end."""


def wait_until_readable(
    connection: KafkaConnection,
    partitions: Collection[Partition],
    *,
    patience: float = PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Partition, int]:
    """Wait until all that ``partitions`` hold now can be read; return where they end.

    Args:
        connection: The cluster.
        partitions: Topics, by their names on the broker, and numbers of partitions.
        patience: Seconds to wait for transactions to end.
        clock: Seconds, monotonic.
        sleep: Waits for so many seconds.

    Raises:
        OpenTransactionError: a transaction stays open.
        KafkaError: the broker does not answer, or lacks a topic.
    """
    admin = connect(connection, timeout_seconds=REQUEST_SECONDS)
    ends = list_offsets(admin, partitions, "latest")
    deadline = clock() + patience
    told = False
    while True:
        stable = list_offsets(admin, partitions, "latest", committed=True)
        held = next((one for one, end in ends.items() if stable[one] < end), None)
        if held is None:
            return ends
        if clock() >= deadline:
            raise OpenTransactionError(
                describe(connection, held, stable=stable[held], end=ends[held])
            )
        if not told:
            told = True
            logger.warning(
                "%s[%d] holds a transaction that is open at offset %d; waiting up to %.0f s for"
                " its end",
                *held,
                stable[held],
                patience,
            )
        sleep(_ASK_AGAIN_SECONDS)


def refuse_unreadable(connection: KafkaConnection, ends: Mapping[Partition, int]) -> None:
    """Refuse to wait for records before ``ends`` that a reader of committed records does not get.

    Raises:
        OpenTransactionError: a transaction before them is open.
        KafkaError: a partition has become shorter, or the broker does not answer.
    """
    admin = connect(connection)
    stable = list_offsets(admin, ends, "latest", committed=True)
    now = list_offsets(admin, ends, "latest")
    for partition, end in ends.items():
        if now[partition] < end:
            topic, number = partition
            raise KafkaError(
                f"{topic}[{number}] ended at offset {end} when reading began and ends at"
                f" {now[partition]} now: the broker lost records, or the topic was created anew"
            )
        if stable[partition] < end:
            raise OpenTransactionError(
                describe(connection, partition, stable=stable[partition], end=end)
            )


def describe(connection: KafkaConnection, partition: Partition, *, stable: int, end: int) -> str:
    """Say which transaction is in the way, and how to abort it."""
    topic, number = partition
    return (
        f"{topic}[{number}] ends at offset {end} and can be read up to offset {stable} only: the"
        " transaction that begins there is still open. The broker aborts it when the timeout of"
        " its producer has passed, 60 s for a worker. If it stays open, abort it:"
        f" kafka-transactions.sh --bootstrap-server {connection.bootstrap_servers} abort"
        f" --topic {topic} --partition {number} --start-offset {stable}"
    )
