"""The containers themselves: what runs on them later can rely on this much."""

import pytest
import sqlalchemy
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def test_what_is_produced_to_kafka_in_a_container_can_be_consumed(kafka_in_container: str) -> None:
    topic = "smoke"
    admin = AdminClient({"bootstrap.servers": kafka_in_container})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=30)
    producer = Producer({"bootstrap.servers": kafka_in_container, "enable.idempotence": True})
    producer.produce(topic, key=b"7", value=b"tick")
    assert producer.flush(30) == 0

    assert first_record(kafka_in_container, topic) == (b"7", b"tick")


def test_transactions_work_on_kafka_in_a_container(kafka_in_container: str) -> None:
    topic = "transactional-smoke"
    admin = AdminClient({"bootstrap.servers": kafka_in_container})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=30)
    producer = Producer({"bootstrap.servers": kafka_in_container, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=b"all or nothing")
    producer.commit_transaction(30)
    assert first_record(kafka_in_container, topic) == (None, b"all or nothing")


def test_a_topic_that_is_not_declared_does_not_come_into_being(kafka_in_container: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_in_container})
    admin.list_topics("undeclared", timeout=10)
    assert "undeclared" not in admin.list_topics(timeout=10).topics


def test_postgresql_in_a_container_answers_through_psycopg(postgres_in_container: str) -> None:
    engine = sqlalchemy.create_engine(postgres_in_container)
    try:
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("select 1")) == 1
            assert connection.scalar(sqlalchemy.text("show server_encoding")) == "UTF8"
    finally:
        engine.dispose()


def first_record(bootstrap_servers: str, topic: str) -> tuple[bytes | None, bytes | None]:
    """The key and the value of the first committed record."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"{topic}-reader",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.subscribe([topic])
        (message,) = consumer.consume(1, timeout=30)
        assert message.error() is None
        return message.key(), message.value()
    finally:
        consumer.close()
