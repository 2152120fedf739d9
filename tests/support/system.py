"""The whole system for a test: topics, database and real worker processes on the shared broker."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple
from urllib.error import HTTPError, URLError
from uuid import UUID

from confluent_kafka import Consumer, IsolationLevel, Message, Producer, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka.admin import OffsetSpec
from prometheus_client.parser import text_string_to_metric_families

from algo_panda.bootstrap import build_factory
from algo_panda.demo.environment import DemoEnvironment
from algo_panda.demo.monitor import Monitor
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import PandaError
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.connecting import open_producer
from algo_panda.ingest.opening import Reading, open_source
from algo_panda.ingest.publisher import Publisher
from algo_panda.ingest.source import LocatedTick
from algo_panda.kafka.admin import connect, end_offsets, topic_ids
from algo_panda.kafka.clients import producer_config
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.topic_apply import apply_differences
from algo_panda.kafka.topic_diff import find_differences
from algo_panda.settings import Settings
from algo_panda.store.acceptance import factory_check
from algo_panda.store.database import Database
from algo_panda.store.migrate import upgrade
from algo_panda.store.repository import ReportedStatus
from algo_panda.store.sql import SqlStrategyRepository
from algo_panda.store.sql_status import SqlStatusRepository
from algo_panda.wire.codecs import load_codecs
from tests.oracle.fills import read_charges
from tests.oracle.money import TOPICS, differences
from tests.oracle.records import Raw
from tests.oracle.rules import FillRules, Rules
from tests.oracle.runner.differences import TOPICS as RUNNER_TOPICS
from tests.oracle.runner.differences import runner_differences
from tests.oracle.runner.rules import RunnerRules

_LOOK_SECONDS = 5.0


ONE_STRATEGY = StrategyConfig(
    id=UUID(int=1),
    strategy_type="rules_rsi",
    parameters={"period": 5},
    instruments=(1001,),
    active_brokers=("paper",),
)
"""For tests in which it does not matter what the strategy does."""


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

    patience_seconds: ClassVar[float] = 120.0
    changed_settings: Mapping[str, Any] = MappingProxyType({})

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
            paper_accepts_past_ticks=True,  # most tests publish ticks of a fixed day
            # Nothing expires because the machine is slow.
            **{"signal_ttl_seconds": 86_400, **self.changed_settings},
        )
        self.connection = kafka_connection(self.settings)
        self.environment = DemoEnvironment(
            settings=self.settings, folder=folder, connection=self.connection
        )
        self.codecs = load_codecs()
        self.workers: list[WorkerProcess] = []
        self.is_settled = False
        """Whether every stage has processed all that was published."""
        self._runner_environment: Mapping[str, str] = {}
        """Of the last runner that was started."""
        declared = declared_topics(self.settings)
        self.partitions = {name: topic.partitions for name, topic in declared.items()}
        apply_differences(
            connect(self.connection),
            find_differences(connect(self.connection), list(declared.values())),
        )
        with Database(url) as database:
            upgrade(database)

    # Strategies

    def add(self, *configs: StrategyConfig) -> None:
        with self.repository() as repository:
            for config in configs:
                repository.add(config)

    @contextmanager
    def repository(self) -> Iterator[SqlStrategyRepository]:
        check = factory_check(build_factory(self.settings))
        with Database(self.settings.effective_database_url) as database:
            yield SqlStrategyRepository(database, check=check, clock=_now)

    def statuses(self) -> tuple[ReportedStatus, ...]:
        with Database(self.settings.effective_database_url) as database:
            return SqlStatusRepository(database, clock=_now).list()

    # Ticks

    def publish_file(self, path: Path) -> int:
        return self._publish(open_source(path, Reading()))

    def publish(self, ticks: Iterable[MarketTick]) -> int:
        return self._publish(LocatedTick(tick, 0, None) for tick in ticks)  # type: ignore[arg-type]

    def _publish(self, rows: Any) -> int:
        self.is_settled = False
        topic = self.settings.topic("ticks")
        publisher = Publisher(
            producer=open_producer(self.connection, topic),
            topic=topic,
            encode=self.codecs.ticks.encode,
            clock=time,
        )
        return publisher.publish(rows).counts.acknowledged

    def send(self, topic: str, value: bytes | None, key: bytes | None = None, **at: int) -> None:
        self.is_settled = False
        producer = Producer({**producer_config(self.connection)})
        producer.produce(self.settings.topic(topic), value, key, **at)
        assert producer.flush(10) == 0

    # Workers

    def start(
        self, *programs: str, env: Mapping[str, str] | None = None, args: Sequence[str] = ()
    ) -> list[WorkerProcess]:
        return [
            self._spawn(program, ["-P", "-m", "algo_panda", "worker", program, *args], env or {})
            for program in programs
        ]

    def _spawn(self, program: str, args: Sequence[str], env: Mapping[str, str]) -> WorkerProcess:
        (port,) = free_ports(1)
        if program == "runner":
            self._runner_environment = {**os.environ, **env}
        log = self.folder / f"{len(self.workers):03}-{program}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *args],
                env={
                    **os.environ,
                    **self.environment.variables,
                    "PANDA_METRICS_PORT": str(port),
                    # On a busy machine, the default may pass before a worker gets its turn.
                    "PANDA_CONTROL_TIMEOUT_SECONDS": "60",
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
                worker.process.kill()  # stopped or not
            worker.process.wait()

    def panda(
        self, *args: str, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "algo_panda", *args],
            env={**os.environ, **self.environment.variables, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    # Watching

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Until then no worker may fail."""

        def is_so() -> bool:
            if condition():
                return True
            for worker in self.workers:
                code = worker.process.poll()
                assert code in (None, 0), f"a worker ended with {code}:\n{_tail(worker.log)}"
            return False

        self.until(what, is_so)

    def until(
        self, what: str, condition: Callable[[], bool], patience: float | None = None
    ) -> None:
        """Wait for ``condition``; fail when nothing has moved for ``patience`` seconds.

        Something moves as long as records are written: workers that process ticks write at least
        their checkpoints. So a slow machine takes longer, and does not fail.
        """
        limit = self.patience_seconds if patience is None else patience
        deadline = time.monotonic() + limit
        ends, look_at = self._ends(), time.monotonic() + _LOOK_SECONDS
        while not condition():
            now = time.monotonic()
            if now > look_at:
                before, ends, look_at = ends, self._ends(), now + _LOOK_SECONDS
                if ends != before:
                    deadline = now + limit
            assert now < deadline, f"{what}: nothing has moved for {limit:.0f} s"
            time.sleep(0.1)

    def _ends(self) -> Mapping[tuple[str, int], int]:
        """Where all topics end; nothing while the broker is away."""
        names = [topic.on_broker for topic in declared_topics(self.settings).values()]
        try:
            return end_offsets(connect(self.connection), names)
        except PandaError:
            return {}

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
        self.is_settled = True

    def raw(self, topic: str) -> list[Message]:
        """All records of a topic, by partition and offset."""
        return self.raw_of([topic])[topic]

    def raw_of(self, topics: Iterable[str]) -> dict[str, list[Message]]:
        """The same of several topics at once."""
        names = {self.settings.topic(topic): topic for topic in topics}
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "unused",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
            }
        )
        found: dict[str, list[Message]] = {topic: [] for topic in names.values()}
        partitions = [
            TopicPartition(name, number, 0)
            for name, topic in names.items()
            for number in range(self.partitions[topic])
        ]
        left = {(where.topic, where.partition) for where in partitions}
        try:
            consumer.assign(partitions)
            while left:
                message = consumer.poll(30)
                assert message is not None, f"{', '.join(names)} cannot be read"
                error = message.error()
                if error is None:
                    found[names[message.topic()]].append(message)
                    continue
                assert error.code() == ClientError._PARTITION_EOF, error
                left.discard((message.topic(), message.partition()))
        finally:
            consumer.close()
        return {
            topic: sorted(messages, key=lambda m: (m.partition(), m.offset()))
            for topic, messages in found.items()
        }

    def records(self, topic: str) -> list[Located]:
        """The same, decoded where the topic has a codec."""
        codec = self.codecs.by_topic.get(topic)
        return [
            Located(
                topic,
                message.partition(),
                message.offset(),
                message.key(),
                codec.decode(message.value()) if codec else message.value(),
                dict(message.headers() or ()),
            )
            for message in self.raw(topic)
        ]

    def values(self, topic: str) -> list[Any]:
        return [record.value for record in self.records(topic)]

    # Afterwards

    def money_differences(self, **changed_rules: Any) -> list[str]:
        """Compare all that risk, router and paper venue left with the independent model.

        They must have processed all there is.
        """
        self.until("the end of all transactions", self._all_is_committed)
        topics = {name: list(map(_raw, some)) for name, some in self.raw_of(TOPICS).items()}
        return differences(topics, replace(self.rules(), **changed_rules))

    def runner_differences(self, **changed_rules: Any) -> list[str]:
        """Compare all that the runners left with the independent model.

        They must have processed all there is.
        """
        self.until("the end of all transactions", self._all_is_committed)
        topics = {name: list(map(_raw, some)) for name, some in self.raw_of(RUNNER_TOPICS).items()}
        return runner_differences(topics, replace(self.runner_rules(), **changed_rules))

    def _all_is_committed(self) -> bool:
        """Whether readers of committed records can see all that was written.

        The broker answers a commit before it has marked the records as committed.
        """
        partitions = {
            TopicPartition(self.settings.topic(name), number): OffsetSpec.latest()
            for name in {*TOPICS, *RUNNER_TOPICS}
            for number in range(self.partitions[name])
        }
        admin = connect(self.connection)
        found = [
            {
                (where.topic, where.partition): answer.result(30).offset
                for where, answer in admin.list_offsets(
                    partitions, isolation_level=level, request_timeout=30
                ).items()
            }
            for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        ]
        return found[0] == found[1]

    def rules(self) -> Rules:
        """The settings of the workers, as the independent model needs them."""
        settings = self.settings
        fills = _fill_rules(settings)
        return Rules(
            partitions=self.partitions,
            prefix=settings.topic_prefix,
            accounts=settings.accounts,
            max_quantity=settings.risk_max_quantity,
            max_notional=settings.risk_max_notional,
            max_position=settings.risk_max_position,
            time_to_live_ms=round(settings.signal_ttl_seconds * 1_000),
            past_brokers=frozenset({"paper"} if settings.paper_accepts_past_ticks else ()),
            paper_expire_us=settings.paper_expire_seconds * 1_000_000,
            fills=fills,
        )

    def runner_rules(self) -> RunnerRules:
        """The settings of the runners, and the rows of the database as they are now."""
        given = self._runner_environment
        ticks = self.settings.topic("ticks")
        folders = given.get("PANDA_STRATEGIES_PATH") or str(self.folder)
        with self.repository() as repository:
            rows = repository.load().usable
        return RunnerRules(
            partitions=self.partitions,
            topic_id=topic_ids(connect(self.connection), [ticks])[ticks],
            prefix=self.settings.topic_prefix,
            app_version=version("algo-panda"),
            rows=rows,
            processors=json.loads(given.get("PANDA_PROCESSORS", "{}")),
            validators=json.loads(given.get("PANDA_VALIDATORS", "{}")),
            folders=[Path(folder) for folder in folders.split(os.pathsep)],
            quarantine_after=int(given.get("PANDA_QUARANTINE_AFTER", "10")),
            drops_duplicates=given.get("PANDA_DUPLICATE_TICKS") == "drop",
            drops_out_of_order=given.get("PANDA_OUT_OF_ORDER_TICKS") == "drop",
            accepts_misplaced=given.get("PANDA_MISPLACED_TICKS") == "process",
            may_repeat=given.get("PANDA_DELIVERY", "at_least_once") == "at_least_once",
        )


def _fill_rules(settings: Settings) -> FillRules:
    return FillRules(
        spread=settings.paper_spread,
        slippage=settings.paper_slippage,
        slippage_probability=settings.paper_slippage_probability,
        tick_size=settings.paper_tick_size,
        latency_us=int(settings.paper_latency_ms * 1_000),
        jitter_us=int(settings.paper_latency_jitter_ms * 1_000),
        volume_limit=settings.paper_volume_limit,
        seed=settings.paper_seed,
        charges=None if settings.paper_fees is None else read_charges(settings.paper_fees),
    )


def _raw(message: Message) -> Raw:
    return Raw(
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )


def health(worker: WorkerProcess) -> tuple[int, dict[str, Any]]:
    """Code and content of ``/health``; 0 and nothing if the worker does not serve it."""
    url = f"http://127.0.0.1:{worker.metrics_port}/health"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
    except URLError:
        return 0, {}


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-25:])


def _now() -> datetime:
    return datetime.now(UTC)
