"""Reading what a topic holds, and training from it, on a real broker."""

import json
import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda.cli.train import train
from algo_panda.domain.errors import KafkaError
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.ingest.topic_ticks import TopicTicks
from algo_panda.kafka.admin import end_offsets
from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import producer_config
from algo_panda.ml.direction import DirectionModel
from algo_panda.wire.codecs import load_codecs

pytestmark = pytest.mark.broker

CODEC = load_codecs().ticks


def made_up(count: int) -> list[MarketTick]:
    source = SyntheticSource(
        instruments=(1, 2, 3, 4, 5),
        ticks=count,
        seed=1,
        start=datetime(2024, 1, 1, tzinfo=UTC),
        ticks_per_second=100,
    )
    return [row.tick for row in source]


@pytest.fixture
def send(kafka, kafka_admin, topic_prefix):
    topic = f"{topic_prefix}ticks"
    create_topics(kafka_admin, [NewTopic(topic, num_partitions=4, replication_factor=1)])
    wait_for_leaders(kafka_admin, topic)

    def sender(ticks: list[MarketTick], *extra: bytes) -> str:
        producer = Producer(producer_config(kafka.connection))
        for tick in ticks:
            value = CODEC.encode(tick)
            producer.produce(topic, value, b"%d" % tick.instrument_token)
            producer.poll(0)
        for value in extra:
            producer.produce(topic, value, b"1")
        assert producer.flush(30) == 0
        return topic

    return sender


def test_every_tick_is_read_and_each_instrument_in_its_order(kafka, send):
    sent = made_up(3000)
    topic = send(sent, b"no tick", b"")
    source = TopicTicks(kafka.connection, topic, CODEC.decode)
    for _ in range(2):  # it begins anew each time
        read = [tick._replace(received_time_us=0) for tick in source]
        assert len(read) == len(sent)
        for token in range(1, 6):
            assert of(read, token) == of(sent, token)
    assert source.undecodable == 2


def wait_for_leaders(admin: AdminClient, topic: str) -> None:
    """A topic is there a moment before its partitions can be asked for their offsets."""
    give_up = time.monotonic() + 30
    while True:
        try:
            end_offsets(admin, [topic])
        except KafkaError:
            assert time.monotonic() < give_up
        else:
            return


def of(ticks: list[MarketTick], token: int) -> list[MarketTick]:
    return [tick for tick in ticks if tick.instrument_token == token]


def test_an_empty_topic_gives_nothing(kafka, send):
    assert list(TopicTicks(kafka.connection, send([]), CODEC.decode)) == []


def test_a_missing_topic_is_named(kafka, topic_prefix):
    with pytest.raises(KafkaError, match=f"{topic_prefix}none"):
        list(TopicTicks(kafka.connection, f"{topic_prefix}none", CODEC.decode))


def test_a_model_is_trained_from_the_topic(
    kafka, send, topic_prefix, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("PANDA_TOPIC_PREFIX", topic_prefix)
    send(made_up(6000), b"no tick")
    output = tmp_path / "mine.onnx"
    train(output=output, topic=True, as_json=True)
    printed = capsys.readouterr()
    assert DirectionModel(output).load() is True
    assert json.loads(printed.out)["training_rows"] > 3000
    assert "1 records of the topic are no ticks" in printed.err
