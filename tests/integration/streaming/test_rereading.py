"""Records behind the position of a partition are read again, as far as they are retained."""

from collections.abc import Callable

import pytest
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from algo_panda.domain.errors import KafkaError
from algo_panda.streaming.rereading import reread

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

Read = Callable[[int, int], list[int]]


@pytest.fixture
def read(kafka, kafka_admin: AdminClient, topic_prefix: str) -> Read:
    """Ten records in the one partition of a topic; reads their offsets from one up to another."""
    name = f"{topic_prefix}ticks"
    kafka_admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(10):
        producer.produce(name, b"%d" % number)
    assert producer.flush(30) == 0

    def run(first: int, end: int) -> list[int]:
        found: list[Message] = []
        for batch in reread(kafka.connection, TopicPartition(name, 0, first), end, 30):
            assert batch
            found += batch
        assert [m.value() for m in found] == [b"%d" % (m.offset() or 0) for m in found]
        return [message.offset() or 0 for message in found]

    return run


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [(0, 10, range(10)), (3, 7, range(3, 7)), (9, 10, [9]), (4, 4, [])],
)
def test_what_was_asked_for_comes_and_nothing_else(
    read: Read, first: int, end: int, expected: list[int]
) -> None:
    assert read(first, end) == list(expected)


def test_records_that_the_broker_lost_are_an_error_and_no_end(read: Read) -> None:
    with pytest.raises(KafkaError, match=r"ticks\[0\] can be read up to offset 10 only"):
        read(3, 11)


def test_where_the_first_ones_are_gone_the_others_come(
    read: Read, kafka_admin: AdminClient, topic_prefix: str
) -> None:
    cut = TopicPartition(f"{topic_prefix}ticks", 0, 6)
    kafka_admin.delete_records([cut])[cut].result(30)
    assert read(2, 9) == [6, 7, 8]
    assert read(2, 5) == []


def test_records_of_a_transaction_that_was_aborted_do_not_come(
    read: Read, kafka, topic_prefix: str
) -> None:
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"{topic_prefix}t"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{topic_prefix}ticks", b"never", partition=0)
    assert producer.flush(30) == 0
    producer.abort_transaction(30)
    assert read(5, 12) == [5, 6, 7, 8, 9]


def test_a_topic_that_is_not_there_is_an_error(kafka, topic_prefix: str) -> None:
    where = TopicPartition(f"{topic_prefix}none", 0, 0)
    with pytest.raises(KafkaError, match=rf"{topic_prefix}none\[0\]"):
        list(reread(kafka.connection, where, 10, 3))
