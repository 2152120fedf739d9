"""What differs between the topics as declared and as they are on the broker."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin import TopicState, described_topics, topic_states
from algo_panda.kafka.declarations import TopicDeclaration

# Kafka's tools set these on a topic while they move its replicas.
_SET_BY_TOOLS = frozenset(
    {"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"}
)
_NAMED_AT_MOST = 3


class TopicsDifferError(KafkaError):
    """A topic that a worker needs is not there, or not as declared."""


class PartitionsChangedError(TopicsDifferError):
    """A topic got another number of partitions while a worker used it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicMissing:
    """There is no such topic."""

    topic: TopicDeclaration

    def __str__(self) -> str:
        return f"{self.topic.on_broker} does not exist"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDiffers:
    """A setting has another value; ``declared`` is None where it should not be set at all."""

    topic: TopicDeclaration
    setting: str
    declared: str | None
    actual: str

    def __str__(self) -> str:
        wanted = "not declared" if self.declared is None else f"declared {self.declared}"
        return f"{self.topic.on_broker} has {self.setting} {self.actual}, {wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionsDiffer:
    """It has another number of partitions."""

    topic: TopicDeclaration
    actual: int

    def __str__(self) -> str:
        wanted = self.topic.partitions
        return f"{self.topic.on_broker} has {self.actual} partitions, declared {wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationDiffers:
    """It has another number of copies."""

    topic: TopicDeclaration
    actual: int

    def __str__(self) -> str:
        wanted = self.topic.replication_factor
        return f"{self.topic.on_broker} has replication factor {self.actual}, declared {wanted}"


Difference = TopicMissing | ConfigDiffers | PartitionsDiffer | ReplicationDiffers


def find_differences(
    admin: AdminClient, topics: Collection[TopicDeclaration]
) -> tuple[Difference, ...]:
    """Compare declarations with the broker, in the order given.

    Raises:
        KafkaError: the broker does not answer.
    """
    states = topic_states(admin, [topic.on_broker for topic in topics])
    return tuple(
        difference for topic in topics for difference in compare(topic, states.get(topic.on_broker))
    )


def verify_topics(
    admin: AdminClient, declared: Mapping[str, TopicDeclaration], names: Collection[str]
) -> None:
    """Refuse to go on with topics that are not as declared.

    Args:
        admin: The client to ask with.
        declared: Every declaration, by name.
        names: The topics that the caller needs, by the same names.

    Raises:
        TopicsDifferError: one of them differs; the message names the first differences.
        KafkaError: the broker does not answer.
    """
    differences = find_differences(admin, [declared[name] for name in names])
    if not differences:
        return
    first = "; ".join(str(difference) for difference in differences[:_NAMED_AT_MOST])
    more = len(differences) - _NAMED_AT_MOST
    raise TopicsDifferError(
        f"topics are not as declared: {first}{f'; and {more} more' if more > 0 else ''}; "
        "run 'panda topics apply'"
    )


def read_topic_ids(admin: AdminClient, topics: Collection[TopicDeclaration]) -> dict[str, str]:
    """Ask for Kafka's id of each topic, by its name on the broker.

    Raises:
        PartitionsChangedError: a topic has another number of partitions than declared.
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    found = described_topics(admin, [topic.on_broker for topic in topics])
    for topic in topics:
        actual = found[topic.on_broker].partitions
        if actual != topic.partitions:
            raise PartitionsChangedError(
                f"{PartitionsDiffer(topic=topic, actual=actual)}: a key is now sent to another"
                " partition than the one that has its state, so nothing more is processed; run"
                " 'panda topics apply', which says what to do"
            )
    return {name: described.topic_id for name, described in found.items()}


def compare(topic: TopicDeclaration, state: TopicState | None) -> Iterator[Difference]:
    """Yield what differs between a declaration and the topic's state; None is no topic."""
    if state is None:
        yield TopicMissing(topic=topic)
        return
    if state.partitions != topic.partitions:
        yield PartitionsDiffer(topic=topic, actual=state.partitions)
    if state.replication_factor != topic.replication_factor:
        yield ReplicationDiffers(topic=topic, actual=state.replication_factor)
    for setting, declared in topic.config.items():
        actual = state.config.get(setting, "unknown to this broker")
        if not _equal(declared, actual):
            yield ConfigDiffers(topic=topic, setting=setting, declared=declared, actual=actual)
    for setting in sorted(state.own_config - topic.config.keys() - _SET_BY_TOOLS):
        actual = state.config[setting]
        yield ConfigDiffers(topic=topic, setting=setting, declared=None, actual=actual)


def _equal(declared: str, actual: str) -> bool:
    """Compare lists such as ``compact,delete`` without regard to order."""
    return sorted(declared.split(",")) == sorted(actual.split(","))
