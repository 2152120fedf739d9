"""What others ask of a broker: topics as they are, their ids, partitions and offsets."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin_calls import (
    REQUEST_SECONDS,
    Partition,
    TopicDescription,
    delete_topics,
    describe_configs,
    describe_topics,
    list_offsets,
)
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import Admin, admin_failure, connect

__all__ = [
    "Partition",
    "TopicState",
    "connect",
    "delete_topics",
    "described_topics",
    "end_offsets",
    "offsets_since",
    "partition_counts",
    "start_offsets",
    "topic_id_reader",
    "topic_ids",
    "topic_states",
    "topics_with_prefix",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as it is on the broker.

    Attributes:
        name: Its name on the broker.
        topic_id: Kafka's own id; a topic that is deleted and made anew gets another.
        partitions: How many it has.
        replication_factor: How many copies of each there are.
        config: The effective value of every setting.
        own_config: The names of those that are set on the topic itself.
    """

    name: str
    topic_id: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]
    own_config: frozenset[str]


def topic_states(admin: AdminClient, topics: Collection[str]) -> dict[str, TopicState]:
    """Describe those of ``topics`` that exist.

    Raises:
        KafkaError: the broker does not answer, or denies the request.
    """
    found = describe_topics(admin, topics)
    configs = describe_configs(admin, found)
    return {
        name: TopicState(
            name=name,
            topic_id=topic.topic_id,
            partitions=topic.partitions,
            replication_factor=topic.replication_factor,
            config={key: setting.value for key, setting in configs[name].items()},
            own_config=frozenset(key for key, setting in configs[name].items() if setting.own),
        )
        for name, topic in found.items()
        if name in configs  # else it was deleted between the two requests
    }


def described_topics(
    admin: AdminClient, topics: Collection[str], *, timeout_seconds: float = REQUEST_SECONDS
) -> dict[str, TopicDescription]:
    """Ask for id, partitions and copies of each topic.

    Raises:
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    found = describe_topics(admin, topics, timeout_seconds=timeout_seconds)
    missing = next((name for name in topics if name not in found), None)
    if missing is not None:
        raise KafkaError(f"there is no topic {missing}; run 'panda topics apply'")
    return found


def topic_ids(admin: AdminClient, topics: Collection[str]) -> dict[str, str]:
    """Ask for Kafka's id of each topic, 16 bytes in URL-safe base64, as Kafka's own tools show it.

    Raises:
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    return {name: topic.topic_id for name, topic in described_topics(admin, topics).items()}


def topic_id_reader(
    connection: KafkaConnection, topic: str, *, timeout_seconds: float
) -> Callable[[], str]:
    """Return a function that asks for the present id of ``topic``, with a client of its own.

    The function raises ``KafkaError`` if the topic does not exist, or if the broker does not answer
    within ``timeout_seconds``.
    """
    admin = Admin(connection)

    def read() -> str:
        return described_topics(admin, [topic], timeout_seconds=timeout_seconds)[topic].topic_id

    return read


def partition_counts(admin: AdminClient, topics: Collection[str]) -> dict[str, int]:
    """Ask how many partitions each topic has.

    Raises:
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    return {name: topic.partitions for name, topic in described_topics(admin, topics).items()}


def start_offsets(admin: AdminClient, topics: Collection[str]) -> dict[Partition, int]:
    """Ask for the first offset still kept in each partition of ``topics``.

    Raises:
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    return _offsets(admin, topics, "earliest")


def end_offsets(admin: AdminClient, topics: Collection[str]) -> dict[Partition, int]:
    """Ask for the offset that the next record of each partition of ``topics`` will get.

    Records of open transactions count, and so do the markers that end transactions.

    Raises:
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    return _offsets(admin, topics, "latest")


def offsets_since(
    admin: AdminClient, topics: Collection[str], time_ms: int
) -> dict[Partition, int]:
    """Ask for the first offset whose record is of ``time_ms`` or later.

    Args:
        admin: an admin client.
        topics: their names on the broker.
        time_ms: milliseconds since the epoch, compared with the records' time stamps.

    Returns:
        The offsets; a partition without such a record is left out.

    Raises:
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    found = _offsets(admin, topics, time_ms)
    return {where: offset for where, offset in found.items() if offset >= 0}


def topics_with_prefix(admin: AdminClient, prefix: str) -> list[str]:
    """List the topics whose names begin with ``prefix``.

    Raises:
        KafkaError: the broker does not answer.
    """
    try:
        metadata = admin.list_topics(timeout=REQUEST_SECONDS)
    except KafkaException as error:
        raise admin_failure("list topics", error, admin) from error
    return sorted(name for name in metadata.topics if name.startswith(prefix))


def _offsets(
    admin: AdminClient, topics: Collection[str], which: Literal["earliest", "latest"] | int
) -> dict[Partition, int]:
    counts = partition_counts(admin, topics)
    partitions = [(topic, number) for topic, count in counts.items() for number in range(count)]
    return list_offsets(admin, partitions, which)
