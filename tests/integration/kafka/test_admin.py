import base64

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin import (
    delete_topics,
    end_offsets,
    partition_counts,
    start_offsets,
    topic_ids,
    topic_states,
    topics_with_prefix,
)
from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.kafka.groups import committed_offsets

pytestmark = pytest.mark.broker


@pytest.fixture
def topic(kafka_admin: AdminClient, topic_prefix: str) -> str:
    name = f"{topic_prefix}a"
    create_topics(kafka_admin, [NewTopic(name, num_partitions=2, replication_factor=1)])
    return name


def fill(connection: KafkaConnection, topic: str, *partitions: int) -> None:
    producer = Producer(producer_config(connection))
    for partition in partitions:
        producer.produce(topic, b"value", partition=partition)
    assert producer.flush(30) == 0


def test_a_topic_made_anew_has_another_id(kafka_admin: AdminClient, topic: str) -> None:
    first = topic_ids(kafka_admin, [topic])[topic]
    assert len(base64.urlsafe_b64decode(first + "==")) == 16
    assert topic_ids(kafka_admin, [topic]) == {topic: first}

    delete_topics(kafka_admin, [topic])
    while topic_states(kafka_admin, [topic]):
        pass
    create_topics(kafka_admin, [NewTopic(topic, num_partitions=2, replication_factor=1)])

    assert topic_ids(kafka_admin, [topic])[topic] != first


def test_offsets_and_partitions_are_counted(kafka, kafka_admin: AdminClient, topic: str) -> None:
    fill(kafka.connection, topic, 0, 0, 0, 1)

    assert partition_counts(kafka_admin, [topic]) == {topic: 2}
    assert start_offsets(kafka_admin, [topic]) == {(topic, 0): 0, (topic, 1): 0}
    assert end_offsets(kafka_admin, [topic]) == {(topic, 0): 3, (topic, 1): 1}


def test_commits_of_a_group_are_read(kafka, topic: str) -> None:
    servers, group = kafka.bootstrap_servers, f"{topic}-group"
    assert committed_offsets(kafka.connection, group, [topic]) == {}
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    try:
        consumer.commit(offsets=[TopicPartition(topic, 1, 7)], asynchronous=False)
    finally:
        consumer.close()

    assert committed_offsets(kafka.connection, group, [topic]) == {(topic, 1): 7}
    assert committed_offsets(kafka.connection, group, []) == {}
    with pytest.raises(KafkaError, match=r"^there is no topic absent; run"):
        committed_offsets(kafka.connection, group, ["absent"])


def test_a_topic_that_does_not_exist_is_one_line(
    kafka_admin: AdminClient, topic_prefix: str
) -> None:
    absent = f"{topic_prefix}absent"

    with pytest.raises(KafkaError) as caught:
        end_offsets(kafka_admin, [absent])

    assert str(caught.value) == f"there is no topic {absent}; run 'panda topics apply'"
    delete_topics(kafka_admin, [absent])  # deleting it does no harm
    assert topics_with_prefix(kafka_admin, absent) == []


def test_asking_for_nothing_is_answered_with_nothing(kafka_admin: AdminClient) -> None:
    assert topic_ids(kafka_admin, []) == {}
    assert end_offsets(kafka_admin, []) == {}
    delete_topics(kafka_admin, [])
