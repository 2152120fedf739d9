"""Checkpoints on the real broker: whole or not at all, and only by the owner."""

from collections.abc import Callable, Iterable, Mapping

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming.changelog import (
    CheckpointError,
    FencedError,
    PartitionChangelog,
    Positions,
)
from algo_panda.streaming.operator import Output, Probe, StateRecord, no_probe

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

Open = Callable[..., PartitionChangelog]


class ProbeError(Exception):
    """Whoever wrote the checkpoint ended here."""


@pytest.fixture
def topic(kafka_admin: AdminClient, topic_prefix: str) -> str:
    names = [f"{topic_prefix}changelog", f"{topic_prefix}signals"]
    config = {"cleanup.policy": "compact", "max.message.bytes": "10485760"}
    new = [NewTopic(names[0], 2, 1, config=config), NewTopic(names[1], 2, 1)]
    for answer in kafka_admin.create_topics(new).values():
        answer.result(30)
    return names[0]


@pytest.fixture
def changelog(kafka, topic: str) -> Open:
    def make(partition: int = 0, probe: Probe = no_probe) -> PartitionChangelog:
        return PartitionChangelog(
            connection=kafka.connection,
            topic=topic,
            partition=partition,
            transactional_id=f"{topic}-{partition}",
            probe=probe,
        )

    return make


def at(offset: int, horizon: int | None = None) -> Positions:
    return Positions(
        offsets={"ticks": offset},
        horizons={"ticks": offset if horizon is None else horizon},
        topic_ids={"ticks": "an-id"},
    )


def state(**values: bytes | None) -> list[StateRecord]:
    return [StateRecord(name.encode(), value) for name, value in values.items()]


def as_bytes(**values: bytes) -> Mapping[bytes, bytes]:
    return {name.encode(): value for name, value in values.items()}


def test_what_was_committed_is_restored_and_deleted_keys_are_gone(changelog: Open) -> None:
    first = changelog()
    nothing = first.open(30)
    assert (nothing.state, nothing.positions) == ({}, None)
    first.commit(state(a=b"1", b=b"2"), at(10, 1010), (), 30)
    first.commit(state(a=b"3", b=None), at(20, 30), (), 30)

    restored = changelog().open(30)
    assert restored.state == as_bytes(a=b"3")
    assert restored.positions == at(20, 30)
    assert (nothing.records_read, restored.records_read) == (0, 6)


def test_partitions_are_apart(changelog: Open) -> None:
    first, second = changelog(0), changelog(1)
    first.open(30)
    second.open(30)
    first.commit(state(a=b"0"), at(1), (), 30)
    second.commit(state(a=b"1"), at(2), (), 30)
    assert changelog(0).open(30).state == as_bytes(a=b"0")
    assert changelog(1).open(30).state == as_bytes(a=b"1")


@pytest.mark.parametrize(
    "step",
    [
        "checkpoint: transaction begun",
        "checkpoint: state written",
        "checkpoint: positions written",
    ],
)
def test_a_checkpoint_that_ended_half_way_is_not_restored(changelog: Open, step: str) -> None:
    armed: list[str] = []

    def probe(done: str) -> None:
        if done in armed:
            raise ProbeError

    writer = changelog(probe=probe)
    writer.open(30)
    writer.commit(state(a=b"whole"), at(10), (), 30)
    armed.append(step)
    with pytest.raises(ProbeError):
        writer.commit(state(a=b"half", b=b"half"), at(20), (), 30)
    writer._producer.flush(10)

    restored = changelog().open(30)
    assert restored.state == as_bytes(a=b"whole")
    assert restored.positions == at(10)


def test_who_opens_a_partition_fences_the_owner_before(changelog: Open) -> None:
    former, owner = changelog(), changelog()
    former.open(30)
    former.commit(state(a=b"1"), at(10), (), 30)
    owner.open(30)
    with pytest.raises(FencedError):
        former.commit(state(a=b"zombie"), at(99), (), 30)
    owner.commit(state(a=b"2"), at(20), (), 30)
    assert changelog().open(30).state == as_bytes(a=b"2")


def test_an_owner_fenced_inside_its_checkpoint_writes_nothing(changelog: Open) -> None:
    def lose_the_partition(step: str) -> None:
        if step == "checkpoint: state written":
            changelog().open(30)

    former = changelog(probe=lose_the_partition)
    former.open(30)
    with pytest.raises(FencedError):
        former.commit(state(**{f"k{n}": b"zombie" for n in range(2000)}), at(99), (), 30)
    assert changelog().open(30).state == {}


def test_outputs_are_seen_with_their_checkpoint_or_not_at_all(
    changelog: Open, topic: str, kafka
) -> None:
    signals = topic.replace("changelog", "signals")

    def lose_the_partition(step: str) -> None:
        if step == "checkpoint: positions written" and armed:
            changelog().open(30)

    armed: list[int] = []
    writer = changelog(probe=lose_the_partition)
    writer.open(30)
    writer.commit((), at(10), [Output(signals, b"1001", b"first", (("h", b"x"),))], 30)
    armed.append(1)
    with pytest.raises(FencedError):
        writer.commit((), at(20), [Output(signals, b"1001", b"second")], 30)
    assert committed_values(kafka.bootstrap_servers, signals, range(2)) == [b"first"]


def test_much_state_is_restored_whole(changelog: Open) -> None:
    writer = changelog()
    writer.open(30)
    wanted = {f"instrument-{n}": b"%d" % n * 200 for n in range(20_000)}
    writer.commit(state(**wanted), at(10), (), 60)
    restored = changelog().open(60)
    assert restored.state == as_bytes(**wanted)


def test_a_record_larger_than_any_broker_takes_is_a_clear_error(changelog: Open) -> None:
    writer = changelog()
    writer.open(30)
    with pytest.raises(CheckpointError, match=r"changelog\[0\].*too large"):
        writer.commit(state(a=b"x" * 11_000_000), at(10), (), 30)


def test_a_broker_out_of_reach_is_a_clear_error(topic: str) -> None:
    lost = PartitionChangelog(
        connection=KafkaConnection("127.0.0.1:1"),
        topic=topic,
        partition=0,
        transactional_id="lost",
    )
    with pytest.raises(CheckpointError, match="cannot be opened"):
        lost.open(1)


def committed_values(servers: str, topic: str, partitions: Iterable[int]) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    numbers = list(partitions)
    values: list[bytes] = []
    left = len(numbers)
    consumer.assign([TopicPartition(topic, n, 0) for n in numbers])
    try:
        while left:
            message = consumer.poll(30)
            assert message is not None
            if message.error() is None:
                values.append(message.value())
                continue
            assert message.error().code() == ClientError._PARTITION_EOF
            left -= 1
    finally:
        consumer.close()
    return values
