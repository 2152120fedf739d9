"""Reading and sending on the real broker."""

import asyncio
from collections.abc import Callable, Mapping
from random import Random

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.streaming.fetcher import Batch, Fetcher, OffsetLostError
from algo_panda.streaming.operator import Output
from algo_panda.streaming.outbox import DeliveryError, Outbox
from algo_panda.streaming.owned import Ownership

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


class FakeOwned:
    """A partition, as far as fetching goes."""

    def __init__(self, partition: int, offsets: Mapping[str, int]) -> None:
        self.partition = partition
        self.offsets = offsets

    def start_fetching(self) -> Mapping[str, int]:
        return dict(self.offsets)


@pytest.fixture
def make_topic(kafka_admin: AdminClient, topic_prefix: str) -> Callable[..., str]:
    def make(name: str, **config: str) -> str:
        settings = {key.replace("_", "."): value for key, value in config.items()}
        new = NewTopic(topic_prefix + name, 2, 1, config=settings)
        for answer in kafka_admin.create_topics([new]).values():
            answer.result(30)
        return topic_prefix + name

    return make


async def fetch(
    connection: KafkaConnection, owned: FakeOwned, is_enough: Callable[[list[Batch]], bool]
) -> list[Batch]:
    ownership = Ownership()
    ownership.add([owned])  # type: ignore[list-item]
    fetcher = Fetcher(connection=connection, max_batch=500)
    found: list[Batch] = []
    try:
        while not is_enough(found):
            found += await fetcher.fetch(ownership)
    finally:
        fetcher.close()
    return found


def test_batches_are_numbered_and_reach_behind_transaction_markers(kafka, make_topic) -> None:
    topic = make_topic("ticks")
    producer = Producer({**producer_config(kafka.connection), "transactional.id": topic})
    producer.init_transactions(30)
    for number in range(3):
        producer.begin_transaction()
        producer.produce(topic, b"%d" % number, partition=1)
        producer.flush(30)
        (producer.abort_transaction if number == 1 else producer.commit_transaction)(30)
    owned = FakeOwned(1, {topic: 0})
    batches = asyncio.run(
        fetch(kafka.connection, owned, lambda b: bool(b) and b[-1].next_offset == 6)
    )
    values = [m.value() for b in batches for m in b.messages]
    assert values == [b"0", b"2"]
    assert [b.number for b in batches] == list(range(len(batches)))
    assert all(b.owned is owned for b in batches)


def test_reading_begins_where_the_partition_stands(kafka, make_topic) -> None:
    topic = make_topic("ticks")
    producer = Producer({**producer_config(kafka.connection)})
    for number in range(1_200):
        producer.produce(topic, b"%d" % number, partition=0)
    assert producer.flush(30) == 0
    batches = asyncio.run(
        fetch(
            kafka.connection,
            FakeOwned(0, {topic: 700}),
            lambda b: bool(b) and b[-1].next_offset == 1_200,
        )
    )
    assert [m.offset() for b in batches for m in b.messages] == list(range(700, 1_200))
    assert max(len(b.messages) for b in batches) <= 500


def test_a_cancelled_fetch_makes_everything_stale_and_loses_nothing(kafka, make_topic) -> None:
    topic = make_topic("ticks")
    producer = Producer({**producer_config(kafka.connection)})
    for number in range(100):
        producer.produce(topic, b"%d" % number, partition=0)
    assert producer.flush(30) == 0

    async def run() -> None:
        ownership = Ownership()
        ownership.add([FakeOwned(0, {topic: 0})])  # type: ignore[list-item]
        fetcher = Fetcher(connection=kafka.connection, max_batch=500)
        try:
            cancelled = asyncio.ensure_future(fetcher.fetch(ownership))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cancelled.cancel()
            before = ownership.generation
            found: list[Batch] = []
            while not found or found[-1].next_offset < 100:
                found += await fetcher.fetch(ownership)
            assert ownership.generation == before + 1
            assert [m.offset() for b in found for m in b.messages] == list(range(100))
        finally:
            fetcher.close()

    asyncio.run(run())


def test_an_offset_that_is_not_retained_is_an_error_and_no_skip(
    kafka, make_topic, kafka_admin: AdminClient
) -> None:
    topic = make_topic("ticks")
    producer = Producer({**producer_config(kafka.connection)})
    for number in range(10):
        producer.produce(topic, b"%d" % number, partition=0)
    assert producer.flush(30) == 0
    with pytest.raises(OffsetLostError, match="no longer retained"):
        asyncio.run(fetch(kafka.connection, FakeOwned(0, {topic: 5_000}), lambda _: False))


def test_outputs_count_as_sent_once_the_broker_says_so(kafka, make_topic) -> None:
    topic = make_topic("signals")

    async def run() -> None:
        outbox = Outbox(kafka.connection)
        for _ in range(3):
            outbox.send([Output(topic, b"1", b"%d" % n) for n in range(500)])
            await outbox.confirmed()
            assert len(outbox._producer) == 0
        await outbox.room()

    asyncio.run(run())


def test_few_some_and_many_at_a_time_arrive_in_the_order_in_which_they_were_sent(
    kafka, make_topic
) -> None:
    topic = make_topic("signals")
    random = Random(7)
    sizes = [random.choice((1, 3, 4, 63, 64, 400)) for _ in range(300)]
    used = set[int]()

    async def run() -> None:
        outbox = Outbox(kafka.connection)
        first = 0
        for size in sizes:
            outbox.send([Output(topic, b"1", b"%d" % n) for n in range(first, first + size)])
            used.add(id(outbox._producer))
            first += size
            if random.random() < 0.3:
                await outbox.confirmed()
        await outbox.confirmed()

    asyncio.run(run())
    assert len(used) == 3
    owned = [FakeOwned(n, {topic: 0}) for n in range(2)]
    seen: list[int] = []
    for one in owned:
        batches = asyncio.run(fetch(kafka.connection, one, bool_or_empty(kafka, topic, one)))
        seen += [int(m.value() or b"") for b in batches for m in b.messages]
    assert seen == list(range(sum(sizes)))


@pytest.mark.parametrize("largest", [300, 3_000_000], ids=["by the broker", "by the client"])
def test_a_refused_output_is_an_error_from_then_on_and_nothing_follows_it(
    kafka, make_topic, largest: int
) -> None:
    """Whoever finds it too large: its record counts as processed only if all it caused arrived."""
    topic = make_topic("signals", max_message_bytes=str(largest))
    seen: list[bytes | None] = []

    async def run() -> None:
        outbox = Outbox(kafka.connection)
        outbox.send([Output(topic, b"1", b"small")])
        await outbox.confirmed()
        with pytest.raises(DeliveryError, match="too large"):
            await send_and_send(outbox)
        for _ in range(2):
            with pytest.raises(DeliveryError, match="too large"):
                outbox.send([Output(topic, b"1", b"later")])
            with pytest.raises(DeliveryError, match="too large"):
                await outbox.confirmed()
        outbox._producer.flush(10)

    async def send_and_send(outbox: Outbox) -> None:
        large = b"large" * (100 if largest == 300 else 300_000)
        while True:
            outbox.send([Output(topic, b"1", large), Output(topic, b"1", b"after")])
            await outbox.confirmed()

    asyncio.run(run())
    owned = [FakeOwned(n, {topic: 0}) for n in range(2)]
    for one in owned:
        batches = asyncio.run(fetch(kafka.connection, one, bool_or_empty(kafka, topic, one)))
        seen += [m.value() for b in batches for m in b.messages]
    assert seen == [b"small"]


def bool_or_empty(kafka, topic: str, owned: FakeOwned) -> Callable[[list[Batch]], bool]:
    """All that is there: up to the end that the broker names now."""
    from algo_panda.kafka.admin import connect, end_offsets

    end = end_offsets(connect(kafka.connection), [topic])[topic, owned.partition]
    return lambda found: (found[-1].next_offset if found else 0) >= end
