"""Makes the broker's topics what their declarations say, or says why it will not."""

import time
from collections import defaultdict
from collections.abc import Sequence

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin_calls import alter_configs, create_topics
from algo_panda.kafka.topic_diff import (
    ConfigDiffers,
    Difference,
    PartitionsDiffer,
    ReplicationDiffers,
    TopicMissing,
    find_differences,
)

_VISIBLE_SECONDS = 15.0


class ChangeRefusedError(KafkaError):
    """A difference that cannot be removed without moving keys or data; nothing was changed."""


def apply_differences(admin: AdminClient, differences: Sequence[Difference]) -> None:
    """Create the missing topics and set the settings that differ. Nothing is ever deleted.

    Args:
        admin: The client to change things with.
        differences: What ``find_differences`` found.

    Raises:
        ChangeRefusedError: a topic has another number of partitions or copies. Then no other
            difference is removed either.
        KafkaError: the broker does not answer, or refuses.
    """
    refused = [advice for difference in differences if (advice := _refusal(difference))]
    if refused:
        raise ChangeRefusedError("\n".join(("nothing was changed:", *refused)))
    missing = [it.topic for it in differences if isinstance(it, TopicMissing)]
    changes: dict[str, dict[str, str | None]] = defaultdict(dict)
    for difference in differences:
        if isinstance(difference, ConfigDiffers):
            changes[difference.topic.on_broker][difference.setting] = difference.declared
    create_topics(
        admin,
        [
            NewTopic(
                topic.on_broker,
                num_partitions=topic.partitions,
                replication_factor=topic.replication_factor,
                config=dict(topic.config),
            )
            for topic in missing
        ],
    )
    alter_configs(admin, changes)
    _wait_until_visible(admin, differences)


def _refusal(difference: Difference) -> str | None:
    """What to do about a difference that is not for us to remove."""
    match difference:
        case PartitionsDiffer(topic=topic, actual=actual):
            return (
                f"  {difference}. Its keys would move to other partitions. Declare {actual} "
                f"(and the same for the topics that go with it); or use another "
                f"PANDA_TOPIC_PREFIX and start afresh; or, if its records may go, stop all "
                f"workers, delete {topic.on_broker} and the changelogs of the programs that "
                f"read it, and apply again"
            )
        case ReplicationDiffers(actual=actual):
            return (
                f"  {difference}. Move its replicas with kafka-reassign-partitions.sh, "
                f"or declare {actual}"
            )
        case TopicMissing() | ConfigDiffers():
            return None


def _wait_until_visible(admin: AdminClient, differences: Sequence[Difference]) -> None:
    """A broker learns what its controller decided a moment later."""
    topics = {difference.topic.name: difference.topic for difference in differences}
    deadline = time.monotonic() + _VISIBLE_SECONDS
    while left := find_differences(admin, topics.values()):
        if time.monotonic() > deadline:
            raise KafkaError(
                f"{_VISIBLE_SECONDS:.0f} s after the change, {left[0]}; look at the broker's log, "
                "then run 'panda topics apply' again"
            )
        time.sleep(0.05)
