"""The broker of a run, its topics, and the ticks on them."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka import KafkaError as ClientError

from algo_panda.kafka.admin import delete_topics, end_offsets, topic_ids, topics_with_prefix
from algo_panda.kafka.admin_calls import alter_configs
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.kafka.connection import connect
from algo_panda.kafka.declarations import TopicDeclaration, declared_topics
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.topic_apply import apply_differences
from algo_panda.kafka.topic_diff import find_differences
from algo_panda.settings import Settings
from algo_panda.streaming.changelog import CHECKPOINT_KEY
from algo_panda.streaming.state_codec import RUNNER_CHANGELOG
from benchmarks.ticks import Row
from benchmarks.work import encode_tick

PREFIX = "bench-"
_JAVA_OPTIONS = "-Xms1g -Xmx1g -Xmn768m"
TOPICS_FILE = Path(__file__).with_name("topics.yaml")
_POLL_EVERY = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One embedded broker with the declared topics, signals stamped by the broker."""

    bootstrap_servers: str
    folder: Path

    @property
    def connection(self) -> KafkaConnection:
        return KafkaConnection(self.bootstrap_servers)

    @property
    def ticks(self) -> str:
        return f"{PREFIX}ticks"

    @property
    def signals(self) -> str:
        return f"{PREFIX}signals"

    @property
    def changelog(self) -> str:
        return f"{PREFIX}{RUNNER_CHANGELOG}"

    @property
    def partitions(self) -> int:
        return self._declared()["ticks"].partitions

    def topic_id(self) -> str:
        return topic_ids(connect(self.connection), [self.ticks])[self.ticks]

    def renew(self, *, ticks: bool = False) -> None:
        """Make everything but the ticks anew, and these too where asked."""
        admin = connect(self.connection)
        stale = [
            name
            for name in topics_with_prefix(admin, "")
            if PREFIX in name and (ticks or name != self.ticks)
        ]
        if stale:
            delete_topics(admin, stale)
        declared = list(self._declared().values())
        deadline = time.monotonic() + 30
        while True:
            try:
                apply_differences(admin, find_differences(admin, declared))
            except Exception:
                # A topic deleted just now may still be there for a moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def fill(self, rows: Iterable[Row]) -> int:
        """Put ticks on their topic; how many."""
        with self._filling() as send:
            return send(rows)

    @contextlib.contextmanager
    def held_back(self) -> Iterator[Callable[[Iterable[Row]], int]]:
        """Ticks that nobody can read before the end of the block, and then all of them at once.

        They are one transaction, and our workers read what is committed.
        """
        settings: dict[str, str | int] = {
            "transactional_id": f"{PREFIX}fill",
            "transaction_timeout_ms": 600_000,
        }
        with self._filling(**settings) as send:
            yield send

    def read(self, topic: str, committed: bool = True) -> Iterator[Message]:
        """All records of a topic that are there now, one partition after the other."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "unused",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "isolation.level": "read_committed" if committed else "read_uncommitted",
            }
        )
        try:
            for number in range(self.partitions):
                consumer.assign([TopicPartition(topic, number, 0)])
                yield from _until_end(consumer)
        finally:
            consumer.close()

    def size(self, topic: str) -> int:
        """End offsets, summed: of a topic never cut, the records and the transaction markers."""
        return sum(end_offsets(connect(self.connection), [topic]).values())

    def keep_checkpoints(self) -> None:
        """Have no checkpoint of the runner compacted away in its first ten minutes.

        Call it when the worker has started: it refuses to on topics that are not as declared.
        """
        alter_configs(
            connect(self.connection), {self.changelog: {"min.compaction.lag.ms": "600000"}}
        )

    def checkpoint_times_ms(self) -> list[int]:
        """When checkpoints of the runner were written that are still there, partition by partition.

        Compaction takes the oldest, unless ``keep_checkpoints`` says otherwise.
        """
        return [
            record.timestamp()[1]
            for record in self.read(self.changelog)
            if record.key() == CHECKPOINT_KEY
        ]

    def _declared(self) -> dict[str, TopicDeclaration]:
        return declared_topics(self.settings())

    def settings(self) -> Settings:
        return Settings(
            _env_file=None,
            data_dir=self.folder,
            kafka_bootstrap_servers=self.bootstrap_servers,
            database_url=f"sqlite:///{self.folder / 'panda.db'}",
            topic_prefix=PREFIX,
            topics_file=TOPICS_FILE,
        )

    @contextlib.contextmanager
    def _filling(self, **overrides: str | int) -> Iterator[Callable[[Iterable[Row]], int]]:
        producer = Producer(
            producer_config(
                self.connection,
                linger_ms=50,
                batch_size=1_000_000,
                compression_type="lz4",
                queue_buffering_max_messages=2_000_000,
                **overrides,
            )
        )
        transactional = "transactional_id" in overrides
        if transactional:
            producer.init_transactions(30)
            producer.begin_transaction()
        yield lambda rows: _send(producer, self.ticks, rows)
        if transactional:
            producer.commit_transaction(60)


@contextlib.contextmanager
def running_cluster(folder: Path, say: Callable[[str], None]) -> Iterator[Cluster]:
    """Start a broker in ``folder``; it goes at the end of the block.

    Its Java runtime has the memory that Kafka's own start script gives it, and more room in it for
    what is young. Otherwise it stops everybody for 10 to 20 ms every 1.7 s, and a 99th percentile
    is that of these pauses and not of the program.
    """
    say("starting the embedded broker")
    os.environ.setdefault("_JAVA_OPTIONS", _JAVA_OPTIONS)  # it comes behind the broker's own
    with EmbeddedKafka(folder / "kafka", *free_ports(2)) as broker:
        cluster = Cluster(bootstrap_servers=broker.bootstrap_servers, folder=folder)
        cluster.renew(ticks=True)
        yield cluster


def _send(producer: Producer, topic: str, rows: Iterable[Row]) -> int:
    count = 0
    for token, price, quantity, volume, event_time in rows:
        value = encode_tick(token, price, quantity, volume, event_time)
        while True:
            try:
                producer.produce(topic, value, b"%d" % token)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        if not count % _POLL_EVERY:
            producer.poll(0)
    if producer.flush(120):
        raise TimeoutError(f"{topic} could not be filled")
    return count


def _until_end(consumer: Consumer) -> Iterator[Message]:
    while True:
        first = consumer.poll(30)
        if first is None:
            raise TimeoutError("the broker gives no records")
        for message in (first, *consumer.consume(10_000, 0)):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == ClientError._PARTITION_EOF:  # noqa: SLF001 - its public name
                return
            else:
                raise KafkaException(error)
