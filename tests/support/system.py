"""The whole system for a test: topics, database and real worker processes on the shared broker."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import KafkaError as ClientError
from prometheus_client.parser import text_string_to_metric_families

from app.bootstrap import build_factory
from app.demo.environment import DemoEnvironment
from app.demo.monitor import Monitor
from app.domain.config import StrategyConfig
from app.domain.market import MarketTick
from app.ingest.connecting import open_producer
from app.ingest.opening import Reading, open_source
from app.ingest.publisher import Publisher
from app.ingest.source import LocatedTick
from app.kafka.admin import connect
from app.kafka.declarations import declared_topics
from app.kafka.partitioner import producer_config
from app.kafka.ports import free_ports
from app.kafka.topic_apply import apply_differences
from app.kafka.topic_diff import find_differences
from app.settings import Settings
from app.store.acceptance import factory_check
from app.store.database import Database
from app.store.migrate import upgrade
from app.store.repository import ReportedStatus
from app.store.sql import SqlStrategyRepository
from app.store.sql_status import SqlStatusRepository
from app.wire.codecs import load_codecs

PATIENCE_SECONDS = 120.0


class Located(NamedTuple):
    """A record, decoded."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: Any
    headers: dict[str, bytes]


@dataclass
class WorkerProcess:
    """A ``panda worker`` that runs."""

    process: subprocess.Popen[bytes]
    log: Path
    metrics_port: int

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
        except URLError:
            return {}  # not up yet
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all samples that have these labels."""
        wanted = set(labels.items())
        found = [v for (n, given), v in self.metrics().items() if n == name and wanted <= given]
        assert found, f"no metric {name} with {labels}"
        return sum(found)


class System:
    """Everything of one test, apart from that of all others by a prefix."""

    def __init__(self, folder: Path, bootstrap_servers: str, prefix: str) -> None:
        self.folder = folder
        self.bootstrap_servers = bootstrap_servers
        url = os.environ.get("PANDA_E2E_DATABASE_URL") or f"sqlite:///{folder / 'panda.db'}"
        self.settings = Settings(
            _env_file=None,
            data_dir=folder,
            kafka_bootstrap_servers=bootstrap_servers,
            database_url=url,
            topic_prefix=prefix,
            checkpoint_interval_seconds=0.5,
        )
        self.environment = DemoEnvironment(
            settings=self.settings, folder=folder, bootstrap_servers=bootstrap_servers
        )
        self.codecs = load_codecs()
        self.workers: list[WorkerProcess] = []
        declared = declared_topics(self.settings)
        self.partitions = {name: topic.partitions for name, topic in declared.items()}
        apply_differences(
            connect(bootstrap_servers),
            find_differences(connect(bootstrap_servers), list(declared.values())),
        )
        with Database(url) as database:
            upgrade(database)

    # Strategies

    def add(self, *configs: StrategyConfig) -> None:
        check = factory_check(build_factory(self.settings))
        with Database(self.settings.effective_database_url) as database:
            repository = SqlStrategyRepository(database, check=check, clock=_now)
            for config in configs:
                repository.add(config)

    def statuses(self) -> tuple[ReportedStatus, ...]:
        with Database(self.settings.effective_database_url) as database:
            return SqlStatusRepository(database, clock=_now).list()

    # Ticks

    def publish_file(self, path: Path) -> int:
        return self._publish(open_source(path, Reading()))

    def publish(self, ticks: Iterable[MarketTick]) -> int:
        return self._publish(LocatedTick(tick, 0, None) for tick in ticks)  # type: ignore[arg-type]

    def _publish(self, rows: Any) -> int:
        topic = self.settings.topic("ticks")
        publisher = Publisher(
            producer=open_producer(self.bootstrap_servers, topic),
            topic=topic,
            encode=self.codecs.ticks.encode,
            clock=time,
        )
        return publisher.publish(rows).counts.acknowledged

    def send(self, topic: str, value: bytes | None, key: bytes | None = None, **at: int) -> None:
        producer = Producer({**producer_config(self.bootstrap_servers)})
        producer.produce(self.settings.topic(topic), value, key, **at)
        assert producer.flush(10) == 0

    # Workers

    def start(
        self, *programs: str, env: Mapping[str, str] | None = None, args: Sequence[str] = ()
    ) -> list[WorkerProcess]:
        return [self._start(program, env or {}, args) for program in programs]

    def _start(self, program: str, env: Mapping[str, str], args: Sequence[str]) -> WorkerProcess:
        (port,) = free_ports(1)
        log = self.folder / f"{program}-{len(self.workers)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "worker", program, *args],
                env={
                    **os.environ,
                    **self.environment.variables,
                    "PANDA_METRICS_PORT": str(port),
                    **env,
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        worker = WorkerProcess(process, log, port)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.wait()

    def panda(
        self, *args: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app", *args],
            env={**os.environ, **self.environment.variables, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # Watching

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            for worker in self.workers:
                code = worker.process.poll()
                assert code in (None, 0), f"a worker ended with {code}:\n{_tail(worker.log)}"
            assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:.0f} s"
            time.sleep(0.1)

    @contextmanager
    def monitor(self) -> Any:
        with Monitor(self.environment, self.codecs) as monitor:
            yield monitor

    def wait_until_settled(self, published: int) -> None:
        """Until runner, risk and router have processed all there is."""
        with self.monitor() as monitor:

            def settled() -> bool:
                while monitor.look(0):
                    pass
                return bool(monitor.has_settled(published))

            self.wait(f"{published} ticks processed by every stage", settled)

    def records(self, topic: str) -> list[Located]:
        """All records of a topic, decoded where it has a codec, by partition and offset."""
        name = self.settings.topic(topic)
        decode = self.codecs.by_topic[topic].decode if topic in self.codecs.by_topic else None
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "unused",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
            }
        )
        found: list[Located] = []
        try:
            left = self.partitions[topic]
            consumer.assign([TopicPartition(name, n, 0) for n in range(left)])
            while left:
                message = consumer.poll(10)
                assert message is not None, f"{name} cannot be read"
                error = message.error()
                if error is not None:
                    assert error.code() == ClientError._PARTITION_EOF, error
                    left -= 1
                    continue
                value = message.value()
                found.append(
                    Located(
                        topic,
                        message.partition(),
                        message.offset(),
                        message.key(),
                        decode(value) if decode else value,
                        dict(message.headers() or ()),
                    )
                )
        finally:
            consumer.close()
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def values(self, topic: str) -> list[Any]:
        return [record.value for record in self.records(topic)]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-25:])


def _now() -> datetime:
    return datetime.now(UTC)
