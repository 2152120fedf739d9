"""A broker that lost the end of its log, on real segments: nothing goes on from state of it."""

import asyncio
import signal
import struct
from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from algo_panda.domain.market import MarketTick
from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import producer_config
from algo_panda.kafka.connection import connect
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.server_properties import TOPICS_DIR
from algo_panda.streaming.fetcher import Fetcher, OffsetLostError
from algo_panda.streaming.owned import Ownership
from tests.support.system import ONE_STRATEGY, System, WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)


@pytest.fixture
def broker(tmp_path: Path) -> Generator[EmbeddedKafka]:
    """A broker of the test's own."""
    with EmbeddedKafka(tmp_path / "broker", *free_ports(2)) as running:
        yield running


@pytest.fixture
def system(tmp_path: Path, broker: EmbeddedKafka) -> Generator[System]:
    folder = tmp_path / "system"
    folder.mkdir()
    running = System(folder, broker.bootstrap_servers, "test-")
    running.add(ONE_STRATEGY)
    yield running
    running.close()


def ticks(first: int, end: int, *, price: int = 100) -> list[MarketTick]:
    return [
        MarketTick.of(
            instrument_token=1001, event_time=START + timedelta(seconds=n), last_price=price + n
        )
        for n in range(first, end)
    ]


def cut(broker: EmbeddedKafka, topic: str, end: int) -> Path:
    """Leave of each partition what the operating system had written: batches before ``end``."""
    folder = broker.data_dir / TOPICS_DIR
    cut_any = None
    for segment in folder.glob(f"{topic}-*/*.log"):
        data, at = segment.read_bytes(), 0
        while at < len(data):
            base, length = struct.unpack_from(">qi", data, at)
            if base >= end:
                segment.write_bytes(data[:at])
                cut_any = segment
                break
            at += 12 + length
        for pattern in ("*.index", "*.timeindex", "*.snapshot", "*.txnindex"):
            for file in segment.parent.glob(pattern):
                file.unlink()
    for file in [*folder.glob("*-checkpoint"), *folder.glob(".kafka_cleanshutdown")]:
        file.unlink()
    assert cut_any is not None
    return cut_any


def lose_power(broker: EmbeddedKafka, topic: str, end: int) -> None:
    broker.stop()
    cut(broker, topic, end)
    broker.start()


def run_until_processed(system: System, count: int) -> WorkerProcess:
    (worker,) = system.start("runner")
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == count)
    return worker


def error_of(worker: WorkerProcess) -> str:
    code = worker.process.wait(120)
    lines = worker.log.read_text("utf-8", "replace").splitlines()
    assert not [line for line in lines if line.startswith("Traceback")]
    (error,) = [line for line in lines if line.startswith("error: ")]
    assert code == 4, error
    return error


def signals(system: System) -> list[tuple[int, bytes]]:
    return [(message.offset(), message.value()) for message in system.raw("signals")]


def assert_lost(error: str, system: System, fault: str) -> None:
    topic, changelog = map(system.settings.topic, ("ticks", "runner-state-changelog"))
    assert f"error: topic {topic} lost records that were processed" in error
    assert "stands at offset 20 of partition" in error
    assert fault in error
    assert f"Restore the log of {topic}[" in error
    assert f"delete the topics {topic} and {changelog}" in error


@pytest.mark.parametrize(
    ("again", "fault"),
    [(0, "the topic ends at offset 12 now"), (40, "the record at offset 19 is another one now")],
    ids=["shorter", "offsets given again"],
)
def test_a_worker_does_not_start_on_ticks_that_took_the_place_of_others(
    system: System, broker: EmbeddedKafka, again: int, fault: str
) -> None:
    system.publish(ticks(0, 12))
    worker = run_until_processed(system, 12)
    system.publish(ticks(12, 20))
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == 20)
    assert worker.stop() == 0
    before = signals(system)
    assert system.panda("record", "recording").returncode == 0
    lose_power(broker, system.settings.topic("ticks"), 12)
    system.publish(ticks(12, 12 + again, price=7000))
    (again_started,) = system.start("runner")
    assert_lost(error_of(again_started), system, fault)
    assert signals(system) == before
    recorded = system.panda("record", "recording")
    assert recorded.returncode == 6
    assert "the broker has lost records that are recorded" in recorded.stderr


@pytest.mark.parametrize("is_paused", [False, True], ids=["running", "paused meanwhile"])
def test_a_running_worker_ends_and_no_worker_goes_on_from_before_the_lost_ticks(
    system: System, broker: EmbeddedKafka, is_paused: bool
) -> None:
    system.publish(ticks(0, 12))
    worker = run_until_processed(system, 12)
    system.publish(ticks(12, 20))
    system.wait("20 ticks answered", lambda: len(signals(system)) == 15)
    before = signals(system)
    if is_paused:  # it sees the broker again only when the offsets are taken
        worker.process.send_signal(signal.SIGSTOP)
    lose_power(broker, system.settings.topic("ticks"), 12)
    system.publish(ticks(12, 60, price=7000))
    worker.process.send_signal(signal.SIGCONT)
    assert_lost(error_of(worker), system, "")
    (again,) = system.start("runner")
    assert_lost(error_of(again), system, "the record at offset 19 is another one now")
    assert signals(system) == before


def test_a_client_that_reads_on_is_told_of_the_truncation(broker: EmbeddedKafka) -> None:
    """By Kafka's leader epochs: the offset that it asks for next is there again."""
    create_topics(connect(broker.connection), [NewTopic("ticks", 1, 1)])

    def send(first: int, end: int, word: bytes) -> None:
        producer = Producer(producer_config(broker.connection))
        for number in range(first, end):
            producer.produce("ticks", word + b"%d" % number, partition=0)
        assert producer.flush(60) == 0

    send(0, 12, b"first ")
    send(12, 20, b"first ")

    async def read() -> None:
        ownership = Ownership()
        ownership.add([FakeOwned()])  # type: ignore[list-item]
        fetcher = Fetcher(connection=broker.connection, max_batch=500)
        try:
            at = 0
            while at < 20:
                for batch in await fetcher.fetch(ownership):
                    at = batch.next_offset
            lose_power(broker, "ticks", 12)
            send(12, 60, b"second ")
            with pytest.raises(OffsetLostError, match="truncat"):
                await read_on(fetcher, ownership)
        finally:
            fetcher.close()

    asyncio.run(read())


async def read_on(fetcher: Fetcher, ownership: Ownership) -> None:
    while True:
        assert await fetcher.fetch(ownership) == []


class FakeOwned:
    """A partition, as far as fetching goes."""

    partition = 0

    def start_fetching(self) -> Mapping[str, int]:
        return {"ticks": 0}
