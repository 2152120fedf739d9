"""What the demo runs on: a broker, a database, topics and strategies that are nobody else's."""

import contextlib
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from algo_panda.bootstrap import build_factory
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import connect
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.embedded import EmbeddedKafka
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

_JARS_PER_LINE = 10
_CHECKPOINT_SECONDS = 0.5
"""Often, so that progress can be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEnvironment:
    """Where everything is."""

    settings: Settings
    folder: Path
    connection: KafkaConnection

    @property
    def variables(self) -> dict[str, str]:
        """What other processes need to find it."""
        return {
            "PANDA_KAFKA_BOOTSTRAP_SERVERS": self.connection.bootstrap_servers,
            "PANDA_DATABASE_URL": self.settings.effective_database_url,
            "PANDA_TOPIC_PREFIX": self.settings.topic_prefix,
            "PANDA_CHECKPOINT_INTERVAL_SECONDS": str(self.settings.checkpoint_interval_seconds),
        }


@contextmanager
def demo_environment(
    settings: Settings, instruments: Sequence[int], say: Callable[[str], None]
) -> Generator[DemoEnvironment]:
    """Make it all, and take it away at the end of the block.

    On a broker that the settings name, topics get a prefix of their own and stay there; else an
    embedded broker is started that goes with everything in it. The database is always the demo's
    own: strategies that other workers may run are nothing to try things on.

    Raises:
        PandaError: the broker or the database cannot be had; the message says why.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="panda-demo-")))
        kafka_security(settings)  # its own broker takes no credentials
        given = settings.kafka_bootstrap_servers
        if given is None:
            say("starting an embedded Kafka broker")
            bootstrap_servers = stack.enter_context(_broker(folder, say)).bootstrap_servers
        else:
            bootstrap_servers = given
        own = settings.model_copy(
            update={
                "data_dir": folder,
                "kafka_bootstrap_servers": bootstrap_servers,
                "database_url": f"sqlite:///{folder / 'panda.db'}",
                "topic_prefix": "" if given is None else f"demo-{uuid4().hex[:8]}-",
                "checkpoint_interval_seconds": _CHECKPOINT_SECONDS,
                "metrics_port": None,
            }
        )
        environment = DemoEnvironment(settings=own, folder=folder, connection=kafka_connection(own))
        if settings.database_url is not None:
            say("strategies go into a database of the demo's own; PANDA_DATABASE_URL is left alone")
        say("applying topics, migrating and seeding the database")
        _apply_topics(environment)
        _seed(environment, instruments)
        yield environment


def _broker(folder: Path, say: Callable[[str], None]) -> EmbeddedKafka:
    port, controller_port = free_ports(2)

    def on_download(ready: int, total: int) -> None:
        if ready % _JARS_PER_LINE == 0 or ready == total:
            say(f"Kafka's jars from Maven Central: {ready} of {total}")

    return EmbeddedKafka(folder / "kafka", port, controller_port, on_download=on_download)


def _apply_topics(environment: DemoEnvironment) -> None:
    admin = connect(environment.connection)
    declared = list(declared_topics(environment.settings).values())
    apply_differences(admin, find_differences(admin, declared))


def _seed(environment: DemoEnvironment, instruments: Sequence[int]) -> None:
    check = factory_check(build_factory(environment.settings))
    with Database(environment.settings.effective_database_url) as database:
        upgrade(database)
        repository = SqlStrategyRepository(database, check=check, clock=_now)
        for template in TEMPLATES:
            repository.add(template.configured(tuple(instruments), ("paper",)))


def _now() -> datetime:
    return datetime.now(UTC)
