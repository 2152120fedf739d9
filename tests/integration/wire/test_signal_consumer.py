"""The public consumer on a real broker."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from confluent_kafka.cimpl import NewTopic

from algo_panda import SignalConsumer
from algo_panda.consumer import UndecodableRecord, UndecodableSignalError
from algo_panda.domain.errors import KafkaError
from algo_panda.domain.signals import TradingSignal
from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import consumer_config, producer_config
from algo_panda.kafka.groups import committed_offsets
from algo_panda.wire.codecs import load_codecs
from tests.support.processes import eventually
from tests.unit.fakes import values

pytestmark = pytest.mark.broker

CODEC = load_codecs().signals


def signal(offset: int, **changes: Any) -> TradingSignal:
    return values.signal(signal_id=f"s-{offset}", tick_offset=offset, **changes)


@pytest.fixture
def topic(kafka_admin: AdminClient, topic_prefix: str) -> str:
    name = f"{topic_prefix}signals"
    create_topics(kafka_admin, [NewTopic(name, 1, 1)])
    return name


@pytest.fixture
def send(kafka: Any, topic: str) -> Callable[..., None]:
    def produce(*values: TradingSignal | bytes | None) -> None:
        producer = Producer(producer_config(kafka.connection))
        for value in values:
            encoded = CODEC.encode(value) if isinstance(value, TradingSignal) else value
            producer.produce(topic, encoded, b"408065")
        assert producer.flush(30) == 0

    return produce


@pytest.fixture
def consume(kafka: Any, topic: str, topic_prefix: str) -> Callable[..., SignalConsumer]:
    def make(**options: Any) -> SignalConsumer:
        chosen = {
            "group": f"{topic_prefix}group",
            "bootstrap_servers": kafka.bootstrap_servers,
            "topic": topic,
            "from_beginning": True,
            "until_end": True,
        }
        return SignalConsumer(**chosen | options)

    return make


@pytest.fixture
def committed(kafka: Any, topic: str, topic_prefix: str) -> Callable[[], int | None]:
    def ask() -> int | None:
        found = committed_offsets(kafka.connection, f"{topic_prefix}group", [topic])
        return found.get((topic, 0))

    return ask


def ids(signals: Iterator[TradingSignal] | SignalConsumer) -> Sequence[str]:
    return [said.signal_id for said in signals]


def test_signals_come_typed_and_in_order_until_the_end(send, consume):
    sent = [signal(number) for number in range(5)]
    send(*sent)
    with consume() as signals:
        assert list(signals) == sent


def test_an_empty_topic_ends_at_once(consume, committed):
    with consume() as signals:
        assert list(signals) == []
    assert committed() == 0


def test_what_comes_after_the_block_was_entered_is_left_for_the_next(send, consume):
    send(signal(0), signal(1))
    with consume() as signals:
        first = next(signals)
        send(signal(2))
        assert [first.signal_id, *ids(signals)] == ["s-0", "s-1"]
    with consume() as signals:
        assert ids(signals) == ["s-2"]


def test_without_from_beginning_a_new_group_gets_only_what_comes_later(send, consume):
    send(signal(0))
    with consume(from_beginning=False) as signals:
        assert ids(signals) == []
    with consume(from_beginning=False, until_end=False) as signals, ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, signals)
        # Nobody knows when it has joined, so one after the other until one arrives.
        for later in count(1):
            if first.done():
                break
            send(signal(later))
        assert first.result().tick_offset > 0


def join(consume: Callable[..., SignalConsumer], **options: Any) -> None:
    """Start the group, at the end by default, and read what there is: nothing."""
    with consume(**{"from_beginning": False} | options) as signals:
        assert ids(signals) == []


@pytest.mark.parametrize(
    "client_config",
    [{}, {"partition.assignment.strategy": "cooperative-sticky"}, {"group.protocol": "consumer"}],
    ids=["eager", "cooperative", "KIP-848"],
)
def test_a_new_group_gets_the_signal_again_that_broke_it(send, consume, client_config):
    options = {"from_beginning": False, "client_config": client_config}
    send(signal(0))
    join(consume, **options)
    send(signal(1), signal(2))
    for _ in range(2):
        with consume(**options) as signals:  # nothing is done of what it gets
            assert next(signals).signal_id == "s-1"
    with consume(**options) as signals:
        assert ids(signals) == ["s-1", "s-2"]


def test_a_group_that_never_got_a_signal_gets_those_from_while_it_was_down(
    kafka, kafka_admin, topic_prefix, consume
):
    name = f"{topic_prefix}wide"
    create_topics(kafka_admin, [NewTopic(name, 4, 1)])

    def write(number: int, *partitions: int) -> None:
        producer = Producer(producer_config(kafka.connection))
        for partition in partitions:
            said = CODEC.encode(signal(10 * number + partition))
            producer.produce(name, said, b"408065", partition)
        assert producer.flush(30) == 0

    write(0, 0, 1, 2, 3)
    join(consume, topic=name)
    write(1, 1)
    with consume(topic=name, from_beginning=False) as signals:
        assert ids(signals) == ["s-11"]
    write(2, 0, 1, 2, 3)
    with consume(topic=name, from_beginning=False) as signals:
        assert sorted(ids(signals)) == ["s-20", "s-21", "s-22", "s-23"]


def test_members_that_start_together_agree_that_the_group_is_new(
    kafka_admin, kafka, topic_prefix, consume
):
    name = f"{topic_prefix}four"
    create_topics(kafka_admin, [NewTopic(name, 4, 1)])
    producer = Producer(producer_config(kafka.connection))
    for partition in range(4):
        producer.produce(name, CODEC.encode(signal(partition)), b"408065", partition)
    assert producer.flush(30) == 0
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: join(consume, topic=name), range(4)))
    found = committed_offsets(kafka.connection, f"{topic_prefix}group", [name])
    assert found == {(name, partition): 1 for partition in range(4)}


def test_a_partition_that_is_added_is_read_from_its_first_record(
    kafka_admin, kafka, topic, send, consume
):
    send(signal(0))
    join(consume)
    for added in kafka_admin.create_partitions([NewPartitions(topic, 2)]).values():
        added.result()
    producer = Producer(producer_config(kafka.connection))
    producer.produce(topic, CODEC.encode(signal(1)), b"408065", 1)
    assert producer.flush(30) == 0
    with consume(from_beginning=False) as signals:
        assert ids(signals) == ["s-1"]


def test_a_commit_beyond_the_end_starts_at_the_first_record_and_says_so(
    kafka, topic, topic_prefix, send, consume, committed, caplog
):
    """As after the topic was recreated."""
    send(signal(0), signal(1))
    owner = Consumer(consumer_config(kafka.connection, f"{topic_prefix}group"))
    owner.commit(offsets=[TopicPartition(topic, 0, 70)], asynchronous=False)
    owner.close()
    with consume(from_beginning=False) as signals:
        assert ids(signals) == ["s-0", "s-1"]
    assert f"{topic}[0]: group {topic_prefix}group has committed offset 70" in caplog.text
    assert committed() == 2


def test_a_commit_of_what_retention_removed_starts_at_the_first_record_kept(
    kafka_admin, topic, send, consume, caplog
):
    join(consume)
    send(signal(0), signal(1), signal(2))
    removed = kafka_admin.delete_records([TopicPartition(topic, 0, 2)])
    for one in removed.values():
        one.result()
    with consume(from_beginning=False) as signals:
        assert ids(signals) == ["s-2"]
    assert "has committed offset 0, but the first record kept is at 2" in caplog.text


def test_a_group_that_starts_during_a_transaction_gets_its_signals(
    kafka, topic, topic_prefix, send, consume, committed
):
    send(signal(0))
    producer = Producer(producer_config(kafka.connection, transactional_id=f"{topic_prefix}tx"))
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, CODEC.encode(signal(1)), b"408065")
    assert producer.flush(30) == 0
    with consume(from_beginning=False, until_end=False) as signals, ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, signals)
        has_started = eventually(lambda: committed() is not None)
        producer.commit_transaction()
        send(signal(2))  # ends the wait of a reader that missed the first
        assert first.result(30).signal_id == "s-1"
        assert has_started


def test_the_signal_in_hand_is_committed_only_when_the_next_is_asked_for(send, consume, committed):
    send(signal(0), signal(1), signal(2))
    with consume() as signals:
        assert ids(islice(signals, 2)) == ["s-0", "s-1"]
    assert committed() == 1
    with consume() as signals:
        assert ids(signals) == ["s-1", "s-2"]
    assert committed() == 3


def test_a_signal_that_broke_its_reader_comes_again(send, consume, committed):
    send(signal(0), signal(1))

    def read_and_fail() -> None:
        with consume() as signals:
            for said in signals:
                if said.signal_id == "s-1":
                    raise RuntimeError("my service broke")

    with pytest.raises(RuntimeError):
        read_and_fail()
    assert committed() == 1
    with consume() as signals:
        assert ids(signals) == ["s-1"]


def test_commit_takes_the_signal_in_hand_at_once(send, consume, committed):
    send(signal(0), signal(1))
    with consume() as signals:
        signals.commit()
        next(signals)
        signals.commit()
        assert committed() == 1
        next(signals)
        assert committed() == 1
    assert committed() == 1


def test_a_redelivered_signal_is_left_out_where_asked(send, consume):
    first, second, fourth = signal(0), signal(1), signal(3)
    late = signal(2)  # as of a replayed dead letter
    sent = [first, second, first, second, fourth, late, fourth, second, late, late]
    send(*sent)
    with consume(deduplicate=True) as signals:
        assert list(signals) == [first, second, fourth, late]
    with consume(group="another") as signals:
        assert len(list(signals)) == 10


def test_left_out_duplicates_at_the_end_are_committed(send, consume, committed):
    send(signal(0), signal(0), signal(0))
    with consume(deduplicate=True) as signals:
        assert list(signals) == [signal(0)]
    assert committed() == 3


def test_a_bad_record_is_named_and_can_be_passed_over(send, consume, topic, committed):
    send(signal(0), b"junk", signal(2))
    with consume() as signals:
        next(signals)
        with pytest.raises(UndecodableSignalError) as caught:
            next(signals)
        assert str(caught.value).startswith(f"{topic}[0] offset 1 is no signal: ")
        assert caught.value.record.error.code == "TOO_SHORT"
        assert caught.value.record.value == b"junk"
        assert next(signals) == signal(2)
    assert committed() == 2


def test_a_bad_record_that_nobody_passed_over_comes_again(send, consume, committed):
    send(b"junk")
    for _ in range(2):
        with consume() as signals, pytest.raises(UndecodableSignalError):
            next(signals)
        assert committed() == 0


def test_bad_records_go_to_the_callback(send, consume, topic, committed):
    send(b"junk", signal(1), None, b"\x00\x00\x00\x00\x07x")
    bad: list[UndecodableRecord] = []
    with consume(on_undecodable=bad.append) as signals:
        assert list(signals) == [signal(1)]
    assert [(record.topic, record.partition, record.offset) for record in bad] == [
        (topic, 0, 0),
        (topic, 0, 2),
        (topic, 0, 3),
    ]
    assert [record.error.code for record in bad] == ["TOO_SHORT", "TOO_SHORT", "UNKNOWN_SCHEMA_ID"]
    assert bad[0].key == b"408065"
    assert committed() == 4


def test_aborted_transactions_are_not_read_and_their_markers_end_nothing(
    kafka, topic, consume, topic_prefix
):
    producer = Producer(producer_config(kafka.connection, transactional_id=f"{topic_prefix}tx"))
    producer.init_transactions()
    for number, finish in enumerate([producer.commit_transaction, producer.abort_transaction] * 2):
        producer.begin_transaction()
        producer.produce(topic, CODEC.encode(signal(number)), b"408065")
        producer.flush()
        finish()
    with consume() as signals:
        assert ids(signals) == ["s-0", "s-2"]


def test_two_consumers_of_a_group_share_and_each_ends(consume, send):
    send(*map(signal, range(3)))

    def read(_: int) -> Sequence[str]:
        with consume() as signals:
            return ids(signals)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(read, range(2))
    assert {*one, *other} == {"s-0", "s-1", "s-2"}


def test_a_missing_topic_is_one_clear_line(consume, topic_prefix):
    with pytest.raises(KafkaError, match=f"there is no topic {topic_prefix}nothing"):
        consume(topic=f"{topic_prefix}nothing").__enter__()


def test_no_broker_is_one_clear_line(consume):
    with pytest.raises(KafkaError, match=r"Kafka does not answer at 127\.0\.0\.1:1 "):
        consume(bootstrap_servers="127.0.0.1:1").__enter__()


def test_it_is_used_in_a_with_statement(consume):
    with pytest.raises(KafkaError, match="with statement"):
        next(consume())
