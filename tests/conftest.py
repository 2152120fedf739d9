"""The servers that tests share, and what keeps the tests apart on them."""

import os
import secrets
import shutil
import signal
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from hypothesis import settings
from sqlalchemy import make_url

from algo_panda.kafka.admin import connect, delete_topics, topics_with_prefix
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.java import SHORT_LIVED
from algo_panda.kafka.ports import free_ports
from algo_panda.runner import partition
from tests.support.scheduling import GroupsFirst

if TYPE_CHECKING:
    from tests.support.secured_broker import SecuredBroker

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell has it for what it starts in the background. Programs under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("panda", deadline=None)
settings.load_profile("panda")


def pytest_report_header() -> str:
    """Say which code is tested: compiled modules never run if they do not match the source."""
    is_compiled = not str(partition.__file__).endswith(".py")
    return f"algo-panda: {'compiled' if is_compiled else 'source'}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupsFirst:
    """Where several processes share the tests: who runs what."""
    return GroupsFirst(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Make text that was captured valid: half a surrogate pair cannot be sent between processes."""
    return _valid((yield))


def _valid(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {key: _valid(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(_valid, data))
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaForTests:
    """A broker that is up for the whole test run."""

    bootstrap_servers: str

    @property
    def connection(self) -> KafkaConnection:
        """How our own clients reach it."""
        return KafkaConnection(self.bootstrap_servers)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Generator[KafkaForTests]:
    """The broker of PANDA_TEST_KAFKA_BOOTSTRAP_SERVERS, or an embedded one on free ports.

    The embedded one ends with this process, be it by SIGKILL: a guard process sees to that. Where
    several processes share the tests, each has one.
    """
    given = os.environ.get("PANDA_TEST_KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield KafkaForTests(bootstrap_servers=given)
        return
    data_dir = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(data_dir, *free_ports(2), java_options=SHORT_LIVED) as broker:
        yield KafkaForTests(bootstrap_servers=broker.bootstrap_servers)
    shutil.rmtree(data_dir)


@pytest.fixture(scope="session")
def kafka_admin(kafka: KafkaForTests) -> AdminClient:
    """An admin client of that broker."""
    return connect(kafka.connection)


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Generator["SecuredBroker"]:
    """A broker with TLS, SASL and ACLs, which one user for each role can log in to."""
    from tests.support.secured_broker import secured_broker  # loads a library for certificates

    with secured_broker(tmp_path_factory.mktemp("secured") / "broker") as broker:
        yield broker


@pytest.fixture
def topic_prefix(kafka_admin: AdminClient) -> Generator[str]:
    """A prefix for the topics and groups of one test; its topics are deleted afterwards."""
    prefix = f"test-{secrets.token_hex(4)}-"
    yield prefix
    delete_topics(kafka_admin, topics_with_prefix(kafka_admin, prefix))


@pytest.fixture(scope="session")
def postgresql_server() -> str:
    """The database of PANDA_TEST_DATABASE_URL."""
    url = os.environ.get("PANDA_TEST_DATABASE_URL")
    if not url:
        pytest.skip("PANDA_TEST_DATABASE_URL is not set, so there is no PostgreSQL to test on")
    return url


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Generator[str]:
    """A schema in it of the test's own."""
    schema = f"test_{secrets.token_hex(8)}"
    plain = make_url(postgresql_server).set(drivername="postgresql")
    address = plain.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        options = {"options": f"-csearch_path={schema}"}
        yield plain.update_query_dict(options).render_as_string(hide_password=False)
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(scope="session")
def ibm_trades() -> Path:
    """24,293 real trades of one day."""
    return _shared("data/ibm-20131007-trades.csv.gz")


@pytest.fixture(scope="session")
def spy_trades() -> Path:
    """250,601 real trades of one day."""
    return _shared("data/spy-20131007-trades.csv.gz")


@pytest.fixture(scope="session")
def owners_modules() -> Path:
    """The folder of strategies and a validator in the owner's form, which are run unchanged."""
    return _shared("owner/rules_rsi.py").parent


def _shared(name: str) -> Path:
    path = Path(__file__).parents[2] / "shared" / name
    if not path.is_file():
        missing = f"{path} is missing: this test reads it beside the checkout"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path
