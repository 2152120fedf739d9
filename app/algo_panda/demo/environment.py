"""What the demo runs on: a broker, a database, topics, strategies and workers of its own."""

import contextlib
import tempfile
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from algo_panda.bootstrap import build_factory
from algo_panda.demo.workers import DemoWorkers
from algo_panda.extras import require
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import connect
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.jars import default_jar_cache, ensure_jars
from algo_panda.kafka.java import SHORT_LIVED
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.security import kafka_security
from algo_panda.kafka.topic_apply import apply_differences
from algo_panda.kafka.topic_diff import find_differences
from algo_panda.settings import Settings
from algo_panda.store.acceptance import factory_check
from algo_panda.store.database import Database
from algo_panda.store.migrate import upgrade
from algo_panda.store.sql import SqlStrategyRepository
from algo_panda.store.templates import TEMPLATES

_CHECKPOINT_SECONDS = 1.0
"""Often, so that progress can be seen."""
_REPORT_SECONDS = 2.0
_SIGNAL_TTL_SECONDS = 86_400.0
"""On a slow machine orders wait for minutes, because all ticks are published at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEnvironment:
    """Where everything is."""

    settings: Settings
    folder: Path
    connection: KafkaConnection

    @property
    def variables(self) -> dict[str, str]:
        """Return the settings by which other processes find it."""
        return {
            "PANDA_KAFKA_BOOTSTRAP_SERVERS": self.connection.bootstrap_servers,
            "PANDA_DATABASE_URL": self.settings.effective_database_url,
            "PANDA_TOPIC_PREFIX": self.settings.topic_prefix,
            "PANDA_CHECKPOINT_INTERVAL_SECONDS": str(self.settings.checkpoint_interval_seconds),
            "PANDA_PAPER_ACCEPTS_PAST_TICKS": str(self.settings.paper_accepts_past_ticks),
            "PANDA_SIGNAL_TTL_SECONDS": str(self.settings.signal_ttl_seconds),
        }


@contextmanager
def demo_environment(
    settings: Settings, instruments: Sequence[int], report: Callable[[str], None]
) -> Generator[tuple[DemoEnvironment, DemoWorkers]]:
    """Start everything, and remove it at the end of the block.

    On a broker that the settings name, topics get a prefix of their own and stay there; else an
    embedded broker is started, which is removed with everything in it. The database is always the
    demo's own: it does not touch strategies that other workers may run.

    Broker, workers and database start at the same time.

    Args:
        settings: of this process.
        instruments: what the strategies of the demo subscribe to.
        report: called with each step.

    Raises:
        PandaError: something cannot be started; the message says why.
    """
    kafka_security(settings)  # its own broker takes no credentials
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="panda-demo-")))
        servers, broker = _start_broker(settings, folder, stack, report)
        own = settings.model_copy(
            update={
                "data_dir": folder,
                "kafka_bootstrap_servers": servers,
                "database_url": f"sqlite:///{folder / 'panda.db'}",
                "topic_prefix": f"demo-{uuid4().hex[:8]}-" if broker is None else "",
                "checkpoint_interval_seconds": _CHECKPOINT_SECONDS,
                "metrics_port": None,
                "paper_accepts_past_ticks": True,
                "signal_ttl_seconds": _SIGNAL_TTL_SECONDS,
            }
        )
        environment = DemoEnvironment(settings=own, folder=folder, connection=kafka_connection(own))
        workers = stack.enter_context(DemoWorkers(folder, environment.variables))
        if settings.database_url is not None:
            report("making a database of the demo's own: PANDA_DATABASE_URL is not used")
        _seed(own, instruments)
        while broker is not None and wait([broker], _REPORT_SECONDS).not_done:
            report("waiting for the broker")
        if broker is not None:
            broker.result()
        report("making the topics")
        admin = connect(environment.connection)
        apply_differences(admin, find_differences(admin, list(declared_topics(own).values())))
        workers.begin()
        yield environment, workers


def _start_broker(
    settings: Settings, folder: Path, stack: contextlib.ExitStack, report: Callable[[str], None]
) -> tuple[str, Future[None] | None]:
    """Return the address of the broker, and its start unless it is one that the settings name."""
    if settings.kafka_bootstrap_servers is not None:
        report(f"using the Kafka broker at {settings.kafka_bootstrap_servers}")
        return settings.kafka_bootstrap_servers, None
    require("dev-broker", "a demo without PANDA_KAFKA_BOOTSTRAP_SERVERS")
    port, controller_port = free_ports(2)
    ensure_jars(
        default_jar_cache(),
        on_progress=lambda ready, total: report(f"downloading Kafka: file {ready} of {total}"),
    )
    broker = EmbeddedKafka(folder / "kafka", port, controller_port, java_options=SHORT_LIVED)
    report("starting a Kafka broker, a database and four workers")
    stack.callback(broker.stop)  # what the thread started before it ended
    pool = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="broker"))
    stack.callback(broker.stop)  # ends the thread
    return broker.bootstrap_servers, pool.submit(broker.start)


def _seed(settings: Settings, instruments: Sequence[int]) -> None:
    check = factory_check(build_factory(settings))
    with Database(settings.effective_database_url) as database:
        upgrade(database)
        repository = SqlStrategyRepository(database, check=check, clock=_now)
        for template in TEMPLATES:
            repository.add(template.configured(tuple(instruments), ("paper",)))


def _now() -> datetime:
    return datetime.now(UTC)
