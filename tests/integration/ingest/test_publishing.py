"""``panda publish`` and the publisher on a real broker."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import KafkaError
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.connecting import open_producer
from algo_panda.ingest.outcome import Counts, DeliveryError
from algo_panda.ingest.publisher import Publisher
from algo_panda.ingest.source import LocatedTick
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.kafka.admin import end_offsets, topics_with_prefix
from algo_panda.kafka.admin_calls import alter_configs
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.topic_apply import apply_differences
from algo_panda.kafka.topic_diff import find_differences
from algo_panda.settings import Settings
from algo_panda.wire.codecs import load_codecs

pytestmark = pytest.mark.broker

TOKENS = (256265, 260105, 408065, 738561, 5633, 341249, 2953217, 895745)
START = datetime(2025, 1, 2, 3, 45, tzinfo=UTC)
PATIENCE_SECONDS = 60

codec = load_codecs().ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A record as it stands on the topic."""

    partition: int
    key: bytes | None
    timestamp_ms: int
    tick: MarketTick


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The topic of one test, and the command line that publishes to it."""

    name: str
    servers: str
    admin: AdminClient
    environment: Mapping[str, str]

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    def command(*arguments: str | Path) -> list[str]:
        program = "from algo_panda.cli.main import main; main()"
        return [sys.executable, "-c", program, "publish", *map(str, arguments)]

    @property
    def count(self) -> int:
        return sum(end_offsets(self.admin, [self.name]).values())

    def is_ready(self) -> bool:
        """Whether every partition of the new topic has its leader."""
        try:
            return self.count == 0
        except KafkaError:
            return False

    def records(self) -> list[Recorded]:
        """Everything on the topic, partition by partition, by offset."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "unused"})
        found: list[Recorded] = []
        for (name, number), end in sorted(end_offsets(self.admin, [self.name]).items()):
            consumer.assign([TopicPartition(name, number, 0)])
            of_partition: list[Recorded] = []
            while len(of_partition) < end:
                for message in consumer.consume(end - len(of_partition), 1.0):
                    assert message.error() is None
                    of_partition.append(
                        Recorded(
                            partition=number,
                            key=message.key(),
                            timestamp_ms=message.timestamp()[1],
                            tick=codec.decode(message.value()),
                        )
                    )
            found.extend(of_partition)
        consumer.close()
        return found


@pytest.fixture
def topic(kafka, kafka_admin: AdminClient, topic_prefix: str, tmp_path: Path) -> Topic:
    settings = Settings(topic_prefix=topic_prefix)
    apply_differences(
        kafka_admin, find_differences(kafka_admin, [declared_topics(settings)["ticks"]])
    )
    made = Topic(
        name=settings.topic("ticks"),
        servers=kafka.bootstrap_servers,
        admin=kafka_admin,
        environment={
            "PANDA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "PANDA_TOPIC_PREFIX": topic_prefix,
            "PANDA_DATA_DIR": str(tmp_path / "data"),
        },
    )
    wait_until(made.is_ready)
    return made


def made_up(count: int, tokens: Sequence[int] = TOKENS) -> list[MarketTick]:
    source = SyntheticSource(
        instruments=tokens, ticks=count, seed=7, start=START, ticks_per_second=100
    )
    return [row.tick for row in source if isinstance(row, LocatedTick)]


def csv_line(tick: MarketTick) -> str:
    return (
        f"{tick.instrument_token},{tick.event_time.isoformat()},{tick.last_price},"
        f"{tick.last_traded_quantity},{tick.volume_traded}\n"
    )


HEADER = "instrument_token,event_time,last_price,last_traded_quantity,volume_traded\n"


def write_csv(path: Path, ticks: Sequence[MarketTick]) -> Path:
    data = (HEADER + "".join(map(csv_line, ticks))).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def by_instrument(ticks: Sequence[MarketTick]) -> dict[int, list[MarketTick]]:
    return {token: [t for t in ticks if t.instrument_token == token] for token in TOKENS}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_file_arrives_whole_each_instrument_in_its_partition_and_in_order(
    topic: Topic, tmp_path: Path
) -> None:
    ticks = made_up(20_000)
    done = topic.run(write_csv(tmp_path / "ticks.csv.gz", ticks), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary.pop("seconds") > 0
    assert summary.pop("ticks_per_second") > 0
    assert summary == {
        "topic": topic.name,
        "outcome": "complete",
        "sent": 20_000,
        "acknowledged": 20_000,
        "failed": 0,
        "rejected": 0,
        "rejects": None,
    }
    records = topic.records()
    assert len(records) == topic.count == 20_000
    assert by_instrument([record.tick for record in records]) == by_instrument(ticks)
    partitions = len(end_offsets(topic.admin, [topic.name]))
    for record in records:
        key = b"%d" % record.tick.instrument_token
        assert record.key == key
        assert record.partition == (murmur2(key) & 0x7FFFFFFF) % partitions
    assert len({record.partition for record in records}) > 1


def test_made_up_ticks_are_the_same_each_time(topic: Topic) -> None:
    arguments = ("--synthetic", "--instruments", "1001,1002", "--ticks", "3000", "--seed", "7")
    for count in (3_000, 6_000):
        done = topic.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"complete: 3,000 ticks acknowledged on {topic.name} in ")
        assert topic.count == count
    ticks = [record.tick for record in topic.records() if record.tick.instrument_token == 1001]
    half = len(ticks) // 2
    assert ticks[:half] == ticks[half:]


def test_files_of_any_format_are_merged_by_event_time(topic: Topic, tmp_path: Path) -> None:
    ticks = made_up(900, tokens=TOKENS[:1])
    first = tmp_path / "a.csv"
    first.write_text(
        "instrument_token,event_time,ltp\n"
        + "".join(f"{t.instrument_token},{t.event_time_us},{t.last_price}\n" for t in ticks[0::3])
    )
    second = tmp_path / "b.jsonl"
    second.write_text(
        "".join(
            f'{{"instrument_token": {t.instrument_token}, "event_time": {t.event_time_us},'
            f' "ltp": {t.last_price}}}\n'
            for t in ticks[1::3]
        )
    )
    third = tmp_path / "c.parquet"
    columns = {
        "instrument_token": [t.instrument_token for t in ticks[2::3]],
        "event_time": [t.event_time_us for t in ticks[2::3]],
        "ltp": [float(t.last_price) for t in ticks[2::3]],
    }
    pq.write_table(pa.table(columns), third)
    done = topic.run(third, second, first, "--time-format", "us", "--column", "last_price=ltp")
    assert done.returncode == 0, done.stderr
    assert [record.tick[:3] for record in topic.records()] == [tick[:3] for tick in ticks]


@pytest.mark.parametrize("pace", [(), ("--rate", "4000"), ("--speed", "50x")])
def test_ctrl_c_stops_and_counts_exactly_what_the_broker_has(
    topic: Topic, pace: tuple[str, ...]
) -> None:
    running = topic.start("--synthetic", "--ticks", "100000000", "--json", *pace)
    try:
        wait_until(lambda: topic.count > 1_000 or running.poll() is not None)
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=PATIENCE_SECONDS)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, errors
    summary = json.loads(output)
    assert summary["outcome"] == "interrupted"
    assert summary["acknowledged"] == summary["sent"] == topic.count > 1_000
    assert summary["failed"] == 0


def test_ctrl_c_tells_people_the_count_too(topic: Topic) -> None:
    running = topic.start("--synthetic", "--ticks", "1000000", "--speed", "1x")
    try:
        wait_until(lambda: topic.count > 10 or running.poll() is not None)
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=PATIENCE_SECONDS)
    finally:
        running.kill()
        running.wait()
    assert (running.returncode, errors) == (130, "")
    assert output.startswith(f"interrupted: {topic.count:,} ticks acknowledged on {topic.name} in")


def test_a_rate_is_kept(topic: Topic) -> None:
    done = topic.run("--synthetic", "--ticks", "1001", "--rate", "500", "--json")
    assert done.returncode == 0, done.stderr
    assert 2.0 <= json.loads(done.stdout)["seconds"] < 20.0


def test_a_bad_row_stops_the_run_with_nothing_behind_it_sent(topic: Topic, tmp_path: Path) -> None:
    ticks = made_up(20)
    path = write_csv(tmp_path / "ticks.csv", ticks)
    lines = path.read_text().splitlines(keepends=True)
    lines[8] = lines[8].replace(f",{ticks[7].last_price},", ",-1,")
    path.write_text("".join(lines))
    done = topic.run(path, "--json")
    assert done.returncode == 6
    assert done.stderr == (
        f"error: {path}, line 9: last_price -1 is not positive. Stopped there: all 7 ticks before "
        "it are acknowledged, none after it was sent\n"
    )
    summary = json.loads(done.stdout)
    assert (summary["outcome"], summary["sent"], summary["acknowledged"]) == ("failed", 7, 7)
    assert topic.count == 7


def test_bad_rows_go_to_the_rejects_file_and_the_run_goes_on(topic: Topic, tmp_path: Path) -> None:
    ticks = made_up(5_000)
    lines = [csv_line(tick) for tick in ticks]
    for number in range(0, 5_000, 250):
        lines[number] = lines[number].replace("T", " nonsense ")
    path = tmp_path / "ticks.csv"
    path.write_text(HEADER + "".join(lines))
    rejects = tmp_path / "rejects.csv"
    done = topic.run(path, "--on-error", "skip", "--rejects", rejects, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["acknowledged"], summary["rejected"]) == (4_980, 20)
    assert summary["rejects"] == str(rejects)
    assert topic.count == 4_980
    written = rejects.read_text().splitlines(keepends=True)
    assert written[0] == f"reason,{HEADER}"
    assert [line.rpartition('",')[2] for line in written[1:]] == lines[0::250]
    notices = done.stderr.splitlines()
    assert notices[0].startswith(f"bad row: {path}, line 2: event_time ")
    assert notices[10] == "more bad rows: see the rejects file"
    assert len(notices) == 11


def test_a_broken_file_stops_the_run_with_the_count(topic: Topic, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "ticks.csv.gz", made_up(20_000))
    path.write_bytes(path.read_bytes()[:-50_000])
    done = topic.run(path)
    assert done.returncode == 6
    assert f"error: {path} breaks off" in done.stderr
    assert f"all {topic.count} ticks before it are acknowledged" in done.stderr
    assert topic.count > 0


def test_no_more_ticks_than_the_limit_are_sent(topic: Topic) -> None:
    done = topic.run("--synthetic", "--limit", "123")
    assert done.returncode == 0, done.stderr
    assert topic.count == 123


def test_a_missing_topic_is_refused_and_not_created(kafka, kafka_admin, topic_prefix) -> None:
    environment = {
        "PANDA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "PANDA_TOPIC_PREFIX": topic_prefix,
    }
    missing = Topic(
        name="", servers=kafka.bootstrap_servers, admin=kafka_admin, environment=environment
    )
    done = missing.run("--synthetic")
    assert done.returncode == KafkaError.exit_code
    assert done.stderr == (
        f"error: there is no topic {topic_prefix}ticks at {kafka.bootstrap_servers}; "
        "run 'panda topics apply'\n"
    )
    assert topics_with_prefix(kafka_admin, topic_prefix) == []


def test_a_broker_that_does_not_answer_is_one_clear_line() -> None:
    environment = {"PANDA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    nowhere = Topic(
        name="", servers="", admin=AdminClient({"bootstrap.servers": ""}), environment=environment
    )
    done = nowhere.run("--synthetic")
    assert done.returncode == KafkaError.exit_code
    assert done.stderr.startswith("error: Kafka does not answer at 127.0.0.1:1")
    assert done.stderr.count("\n") == 1


def test_event_timestamps_are_refused_where_the_broker_would_replace_them(topic: Topic) -> None:
    done = topic.run("--synthetic", "--timestamps", "event")
    assert done.returncode == 3
    assert "so event timestamps would be lost; declare it with CreateTime" in done.stderr
    assert topic.count == 0


def test_records_are_stamped_with_event_times_where_the_topic_keeps_them(topic: Topic) -> None:
    as_they_come = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}  # they are old
    alter_configs(topic.admin, {topic.name: as_they_come})
    done = topic.run("--synthetic", "--ticks", "100", "--timestamps", "event")
    assert done.returncode == 0, done.stderr
    records = topic.records()
    assert len(records) == 100
    for record in records:
        assert record.timestamp_ms == record.tick.event_time_us // 1_000


def test_what_the_broker_refuses_is_a_failure_with_its_count(topic: Topic) -> None:
    alter_configs(topic.admin, {topic.name: {"max.message.bytes": "10"}})
    publisher = Publisher(
        producer=open_producer(KafkaConnection(topic.servers), topic.name),
        topic=topic.name,
        encode=codec.encode,
        clock=time,
    )
    rows = SyntheticSource(instruments=TOKENS, ticks=50, seed=7, start=START, ticks_per_second=100)
    with pytest.raises(DeliveryError, match=r"50 of 50 ticks .* were not acknowledged") as error:
        publisher.publish(rows)
    assert error.value.counts.failed == 50
    assert error.value.counts.acknowledged == topic.count == 0


def test_the_publisher_reports_its_progress_to_whoever_runs_it(topic: Topic) -> None:
    seen: list[Counts] = []
    publisher = Publisher(
        producer=open_producer(KafkaConnection(topic.servers), topic.name),
        topic=topic.name,
        encode=codec.encode,
        clock=time,
        on_progress=seen.append,
    )
    published = publisher.publish(
        SyntheticSource(instruments=TOKENS, ticks=50_000, seed=7, start=START, ticks_per_second=100)
    )
    assert published.counts.acknowledged == seen[-1].acknowledged == topic.count == 50_000
    acknowledged = [counts.acknowledged for counts in seen]
    assert acknowledged == sorted(acknowledged)
    assert all(counts.acknowledged <= counts.sent for counts in seen)
