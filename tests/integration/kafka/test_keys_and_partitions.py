import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import producer_config

pytestmark = pytest.mark.broker

# The same as pinned for aiokafka's partitioner in tests/unit/kafka/test_producer_config.py.
TWELVE_PARTITIONS = {
    256265: 3,
    260105: 0,
    408065: 3,
    738561: 2,
    5633: 11,
    341249: 7,
    2953217: 3,
    895745: 7,
}


@pytest.fixture
def topic(kafka_admin: AdminClient, topic_prefix: str) -> str:
    name = f"{topic_prefix}keys"
    create_topics(kafka_admin, [NewTopic(name, num_partitions=12, replication_factor=1)])
    return name


def librdkafka_partitions(config: dict[str, object], topic: str) -> dict[int, int]:
    producer = Producer(config)
    partitions: dict[int, int] = {}

    def delivered(error: object, message: Message) -> None:
        assert error is None, error
        key, partition = message.key(), message.partition()
        assert key is not None
        assert partition is not None
        partitions[int(key)] = partition

    for token in TWELVE_PARTITIONS:
        producer.produce(topic, b"value", b"%d" % token, on_delivery=delivered)
    assert producer.flush(30) == 0
    return partitions


async def aiokafka_partitions(bootstrap_servers: str, topic: str) -> dict[int, int]:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers) as producer:
        return {
            token: (await producer.send_and_wait(topic, b"value", key=b"%d" % token)).partition
            for token in TWELVE_PARTITIONS
        }


def test_our_producers_put_each_token_where_aiokafka_does(kafka, topic: str) -> None:
    config = producer_config(kafka.connection)

    assert librdkafka_partitions(config, topic) == TWELVE_PARTITIONS
    assert asyncio.run(aiokafka_partitions(kafka.bootstrap_servers, topic)) == TWELVE_PARTITIONS


def test_the_default_of_librdkafka_would_put_them_elsewhere(kafka, topic: str) -> None:
    config = {"bootstrap.servers": kafka.bootstrap_servers}

    assert librdkafka_partitions(config, topic) != TWELVE_PARTITIONS
