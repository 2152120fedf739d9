"""confluent-kafka's admin client, typed: each function is one request and waits for its answer.

The client is made by ``algo_panda.kafka.connection.connect``. Every function here raises
``KafkaError`` with one line when the broker does not answer in time or refuses.
"""
# The client's futures have no type of their result, and what `confluent_kafka.admin` documents
# as its own it imports without saying that it exports it:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateImportUsage=false

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    OffsetSpec,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from algo_panda.kafka.connection import admin_failure

REQUEST_SECONDS = 15.0

_NO_LEADER = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    # A broker that has just started names itself as leader before it has become that.
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
)

Partition = tuple[str, int]
"""A topic, by its name on the broker, and the number of one of its partitions."""

_K = TypeVar("_K")
_URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDescription:
    """A topic's id, in the URL-safe base64 that Kafka's own tools show, and how it is laid out."""

    topic_id: str
    partitions: int
    replication_factor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigValue:
    """The effective value of a topic's setting, and whether it is set on the topic itself."""

    value: str
    own: bool


def describe_topics(
    admin: AdminClient, topics: Collection[str], *, timeout_seconds: float = REQUEST_SECONDS
) -> dict[str, TopicDescription]:
    """Ask for id and replicas of those of ``topics`` that exist."""
    if not topics:
        return {}
    futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=timeout_seconds)
    answers = _answers(admin, "describe topic", futures, ignore=KafkaError.UNKNOWN_TOPIC_OR_PART)
    return {
        name: TopicDescription(
            # librdkafka writes the id in the other alphabet of base64.
            topic_id=str(topic.topic_id).translate(_URL_SAFE),
            partitions=len(topic.partitions),
            replication_factor=len(topic.partitions[0].replicas),
        )
        for name, topic in answers.items()
    }


def describe_configs(
    admin: AdminClient, topics: Collection[str]
) -> dict[str, dict[str, ConfigValue]]:
    """Ask for all settings of those of ``topics`` that exist."""
    if not topics:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    futures = admin.describe_configs(resources, request_timeout=REQUEST_SECONDS)
    answers = _answers(admin, "read settings of", futures, ignore=KafkaError.UNKNOWN_TOPIC_OR_PART)
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {
        resource.name: {
            entry.name: ConfigValue(value=str(entry.value), own=entry.source == own)
            for entry in entries.values()
        }
        for resource, entries in answers.items()
    }


def list_offsets(
    admin: AdminClient,
    partitions: Collection[Partition],
    which: Literal["earliest", "latest"] | int,
    *,
    committed: bool = False,
) -> dict[Partition, int]:
    """Ask for the first offset kept, or the one after the last, of each partition.

    A number asks for the first record of that time or later, in milliseconds since the epoch;
    the answer is negative where there is none. With ``committed``, only records before the first
    open transaction count.
    """
    if not partitions:
        return {}
    spec: OffsetSpec = (
        OffsetSpec.for_timestamp(which) if isinstance(which, int) else getattr(OffsetSpec, which)()
    )
    wanted = {TopicPartition(*partition): spec for partition in partitions}
    isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    deadline = time.monotonic() + REQUEST_SECONDS
    while True:
        futures = admin.list_offsets(
            wanted, isolation_level=isolation, request_timeout=REQUEST_SECONDS
        )
        if time.monotonic() > deadline or not any(map(_has_no_leader, futures.values())):
            break
        time.sleep(0.05)  # a topic, or a broker, that is there only just now
    answers = _answers(admin, "read offsets of", futures)
    return {(tp.topic, tp.partition): info.offset for tp, info in answers.items()}


def create_topics(admin: AdminClient, topics: Collection[NewTopic]) -> None:
    """Create topics, none of which may exist, and wait until the broker knows them."""
    if not topics:
        return
    futures = admin.create_topics(list(topics), request_timeout=REQUEST_SECONDS)
    _answers(admin, "create topic", futures)
    names = [topic.topic for topic in topics]
    deadline = time.monotonic() + REQUEST_SECONDS
    while len(describe_topics(admin, names)) < len(names) and time.monotonic() < deadline:
        time.sleep(0.02)  # a broker learns what its controller decided a moment later


def alter_configs(admin: AdminClient, changes: Mapping[str, Mapping[str, str | None]]) -> None:
    """Set settings of topics; ``None`` goes back to the broker's default."""
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[_change(name, value) for name, value in settings.items()],
        )
        for topic, settings in changes.items()
    ]
    if resources:
        futures = admin.incremental_alter_configs(resources, request_timeout=REQUEST_SECONDS)
        _answers(admin, "alter settings of", futures)


def delete_topics(admin: AdminClient, topics: Collection[str]) -> None:
    """Delete those of ``topics`` that exist."""
    if topics:
        futures = admin.delete_topics(list(topics), request_timeout=REQUEST_SECONDS)
        _answers(admin, "delete topic", futures, ignore=KafkaError.UNKNOWN_TOPIC_OR_PART)


def _change(name: str, value: str | None) -> ConfigEntry:
    operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    return ConfigEntry(name, value, incremental_operation=operation)


def _has_no_leader(answer: Future[Any]) -> bool:
    """Whether the partition asked for has none yet, or none that knows it is."""
    error = answer.exception()
    return isinstance(error, KafkaException) and error.args[0].code() in _NO_LEADER


def _answers(
    admin: AdminClient, doing: str, futures: Mapping[_K, Future[Any]], *, ignore: int | None = None
) -> dict[_K, Any]:
    """Wait for every answer; leave out those that failed with the code to ignore."""
    answers: dict[_K, Any] = {}
    for key, future in futures.items():
        try:
            answers[key] = future.result()
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() != ignore:
                name = key.name if isinstance(key, ConfigResource) else key
                raise admin_failure(f"{doing} {name}", error, admin) from error
    return answers
