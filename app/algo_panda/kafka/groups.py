"""What a consumer group has committed, and who its members are."""
# The client's futures have no type of their result:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import time
from collections.abc import Collection

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, TopicPartition

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin_calls import REQUEST_SECONDS, Partition
from algo_panda.kafka.clients import KafkaConnection, consumer_config
from algo_panda.kafka.connection import connect, failure

_STILL_LOADING = (
    confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
    confluent_kafka.KafkaError.NOT_COORDINATOR,
)


def committed_offsets(
    connection: KafkaConnection, group: str, topics: Collection[str]
) -> dict[Partition, int]:
    """Ask for the next offset that a group will read in each partition of ``topics``.

    A consumer asks, one that never joins the group: the admin client of librdkafka 2.16 crashes
    the process (a null pointer) when it asks a broker that has not loaded the group yet.

    Args:
        connection: The cluster.
        group: The group's id on the broker; one that does not exist has committed nothing.
        topics: The topics to ask about, by their names on the broker.

    Returns:
        The offsets; a partition without a commit is left out.

    Raises:
        KafkaError: a topic does not exist, or the broker does not answer.
    """
    consumer = Consumer(consumer_config(connection, group))
    try:
        partitions = _partitions(consumer, topics)
        answers = _committed(consumer, partitions) if partitions else []
    except KafkaException as error:
        raise failure(f"read the commits of {group}", error, connection) from error
    finally:
        consumer.close()
    return {(tp.topic, tp.partition): tp.offset for tp in answers if tp.offset >= 0}


def raise_first_error(answers: Collection[TopicPartition]) -> None:
    """Raise what failed of one partition: the client itself raises only what failed as a whole.

    Raises:
        KafkaException: an answer holds an error. Its offset says nothing.
    """
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)


def group_members(connection: KafkaConnection, group: str) -> list[str]:
    """Return the names of the members of a consumer group; none if there is no such group.

    Raises:
        KafkaError: the broker does not answer, or refuses.
    """
    admin = connect(connection)
    deadline = time.monotonic() + REQUEST_SECONDS
    while True:
        answers = admin.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)
        try:
            found = answers[group].result()
        except KafkaException as error:
            cause: confluent_kafka.KafkaError = error.args[0]
            if cause.code() == confluent_kafka.KafkaError.GROUP_ID_NOT_FOUND:
                return []
            if cause.code() not in _STILL_LOADING or time.monotonic() > deadline:
                raise failure(f"describe the group {group}", error, connection) from error
        else:
            return [f"{member.client_id} at {member.host}" for member in found.members]
        time.sleep(0.1)


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Ask, and ask again while the broker is still loading its groups."""
    deadline = time.monotonic() + REQUEST_SECONDS
    while True:
        try:
            answers = consumer.committed(partitions, timeout=REQUEST_SECONDS)
            raise_first_error(answers)
        except KafkaException as error:
            cause: confluent_kafka.KafkaError = error.args[0]
            if cause.code() not in _STILL_LOADING or time.monotonic() > deadline:
                raise
        else:
            return answers
        time.sleep(0.1)


def _partitions(consumer: Consumer, topics: Collection[str]) -> list[TopicPartition]:
    known = consumer.list_topics(timeout=REQUEST_SECONDS).topics
    missing = next((topic for topic in topics if topic not in known), None)
    if missing is not None:
        raise KafkaError(f"there is no topic {missing}; run 'panda topics apply'")
    return [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
