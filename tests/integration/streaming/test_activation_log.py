"""Activations on the real broker: read once each, also while a transaction is open."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda.domain.trading import Activation
from algo_panda.kafka.admin import delete_topics, topics_with_prefix
from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import producer_config
from algo_panda.streaming.activation_log import ActivationLog
from algo_panda.wire.codecs import load_codecs
from tests.support.processes import eventually

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

CODEC = load_codecs().activations


def activation(version: int) -> Activation:
    return Activation(
        strategy_id="a strategy",
        strategy_type="rules_rsi",
        strategy_version=version,
        configuration_digest="0" * 64,
        configuration="{}",
        active=True,
        reason=None,
        tick_topic_id="topic-a",
        tick_partition=0,
        tick_offset=version,
    )


@pytest.fixture
def topic(kafka_admin: AdminClient, topic_prefix: str) -> str:
    name = f"{topic_prefix}activations"
    kafka_admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


@pytest.fixture
def log(kafka, topic: str) -> ActivationLog:
    return ActivationLog(kafka.connection, topic, CODEC.decode)


@pytest.fixture
def send(kafka, topic: str) -> Callable[..., None]:
    plain = Producer(producer_config(kafka.connection))

    def produce(value: bytes, producer: Producer = plain) -> None:
        producer.produce(topic, value)
        assert producer.flush(30) == 0

    return produce


def versions(log: ActivationLog) -> list[int]:
    return [found.strategy_version for found in log.read_new()]


def test_every_activation_is_read_once(log: ActivationLog, send) -> None:
    assert versions(log) == []
    for version in (1, 2, 3):
        send(CODEC.encode(activation(version)))
    assert versions(log) == [1, 2, 3]
    assert versions(log) == []
    send(CODEC.encode(activation(4)))
    assert versions(log) == [4]


def test_a_record_that_is_none_is_logged_and_skipped(
    log: ActivationLog, send, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    send(b"junk")
    send(CODEC.encode(activation(1)))
    assert versions(log) == [1]
    assert f"{topic}[0] offset 0 is not an activation" in caplog.text


def test_nobody_waits_for_the_transaction_of_another_worker(
    log: ActivationLog, send, kafka, topic: str
) -> None:
    config = producer_config(kafka.connection) | {"transactional.id": f"{topic}-other"}
    other = Producer(config)
    other.init_transactions(30)
    other.begin_transaction()
    send(CODEC.encode(activation(1)), other)
    send(CODEC.encode(activation(2)))
    assert versions(log) == [1, 2]
    other.abort_transaction(30)
    send(CODEC.encode(activation(3)))
    assert versions(log) == [3]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_topic_created_anew_is_read_from_its_first_record_however_long_it_is(
    log: ActivationLog, send, kafka_admin: AdminClient, topic: str, length: int
) -> None:
    for version in (1, 2):
        send(CODEC.encode(activation(version)))
    assert versions(log) == [1, 2]
    delete_topics(kafka_admin, [topic])
    assert eventually(lambda: not topics_with_prefix(kafka_admin, topic))
    create_topics(kafka_admin, [NewTopic(topic, 1, 1)])
    expected = list(range(10, 10 + length))
    for version in expected:
        send(CODEC.encode(activation(version)))
    assert versions(log) == expected
    assert versions(log) == []
