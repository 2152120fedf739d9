"""Kafka and PostgreSQL in containers, for the tests in this folder.

Without a Docker engine these tests are skipped, with the reason; set PANDA_TEST_DOCKER=required,
as CI does once an engine runs, and they fail instead. The images are those of the compose file
where they are here or can be pulled; else they are built from ``deploy/test``.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget

from algo_panda.kafka.ports import free_ports

CHECKOUT = Path(__file__).resolve().parents[2]
PUBLIC_IMAGES = {"KAFKA_IMAGE": "apache/kafka:4.2.0", "POSTGRES_IMAGE": "postgres:17"}
TEST_SERVICES = {"KAFKA_IMAGE": "kafka", "POSTGRES_IMAGE": "postgres"}
LABELS = {"algo-panda": f"tests-{os.getpid()}"}


class BrokerAnswers(WaitStrategy):
    """Waits until the broker answers a metadata request at the address that it advertises."""

    def __init__(self, bootstrap_servers: str) -> None:
        super().__init__()
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:
        if not self._poll(self._answers):
            raise TimeoutError("Kafka in its container does not answer")

    def _answers(self) -> bool:
        try:
            return bool(self._admin.list_topics(timeout=2).brokers)
        except KafkaException:
            return False


def docker(*arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120) -> str:
    """Run the docker command in the checkout and return what it prints, or fail with that.

    Args:
        arguments: What follows ``docker``.
        env: Variables to add to those of this process.
        timeout: The longest that it may take, in seconds.
    """
    done = subprocess.run(
        ["docker", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout[-10_000:]}"
    return done.stdout


def succeeds(*arguments: str, timeout: float) -> bool:
    """Whether the docker command ends well, and in time."""
    try:
        docker(*arguments, timeout=timeout)
    except (AssertionError, subprocess.TimeoutExpired):
        return False
    return True


def can_be_had(image: str) -> bool:
    """Whether the image is here, or can be pulled within two minutes."""
    return succeeds("image", "inspect", image, timeout=20) or succeeds(
        "pull", "--quiet", image, timeout=120
    )


def reason_for_no_docker() -> str | None:
    """Why no container can be run, or None where one can."""
    if shutil.which("docker") is None:
        return "the docker command is missing"
    return None if succeeds("info", timeout=20) else "no Docker engine answers"


@pytest.fixture(scope="session", autouse=True)
def docker_engine() -> None:
    """Skip, or fail where an engine is required, if no container can be run."""
    reason = reason_for_no_docker()
    if reason is None:
        # Ryuk removes the containers of a test run that was killed, where its image can be had.
        testcontainers_config.ryuk_disabled = not can_be_had(testcontainers_config.ryuk_image)
    elif os.environ.get("PANDA_TEST_DOCKER") == "required":
        pytest.fail(f"{reason}, and PANDA_TEST_DOCKER=required", pytrace=False)
    else:
        pytest.skip(f"{reason}; `.ci/start-docker` brings one up on a bare Debian machine")


@pytest.fixture(scope="session")
def server_logs(docker_engine: None) -> Callable[[], str]:
    """Gives the last lines of Kafka and PostgreSQL in their containers."""

    def last_lines() -> str:
        ours = [f"--filter=label={name}={value}" for name, value in LABELS.items()]
        containers = docker("ps", "--all", "--quiet", *ours).split()
        return "\n".join(docker("logs", "--tail", "60", container) for container in containers)

    return last_lines


@pytest.fixture(scope="session")
def images(docker_engine: None) -> Mapping[str, str]:
    """The images to use, as the variables that the compose file takes."""
    chosen: dict[str, str] = {}
    for variable, public in PUBLIC_IMAGES.items():
        image = os.environ.get(variable, public)
        chosen[variable] = image if can_be_had(image) else build_test_image(variable)
    return chosen


def build_test_image(variable: str) -> str:
    """Build the stand-in of ``deploy/test`` and return its name."""
    service = TEST_SERVICES[variable]
    docker("compose", "-f", "deploy/test/compose.yml", "build", "--quiet", service, timeout=600)
    return f"algo-panda-test-{service}"


@pytest.fixture(scope="session")
def run_docker() -> Callable[..., str]:
    """``docker``, for the tests."""
    return docker


@pytest.fixture(scope="session")
def kafka_in_container(images: Mapping[str, str]) -> Generator[str]:
    """The bootstrap servers of one broker in a container; it creates no topic on its own."""
    # A broker says where clients find it, so the port has to be known before it starts.
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    container = DockerContainer(images["KAFKA_IMAGE"]).with_kwargs(labels=LABELS)
    container.ports["9092"] = ("127.0.0.1", port)
    container.with_envs(
        CLUSTER_ID="cGFuZGEtY29udGFpbmVycw",
        KAFKA_NODE_ID="1",
        KAFKA_PROCESS_ROLES="broker,controller",
        KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
        # The broker calls itself, for transactions, and cannot do so by its address out here.
        KAFKA_LISTENERS="HOST://:9092,CONTROLLER://:9093,INTERNAL://:9094",
        KAFKA_ADVERTISED_LISTENERS=f"HOST://{address},INTERNAL://localhost:9094",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=(
            "HOST:PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT"
        ),
        KAFKA_INTER_BROKER_LISTENER_NAME="INTERNAL",
        KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
        KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS="4",
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="1000",
    )
    with container.waiting_for(BrokerAnswers(address)):
        yield address


@pytest.fixture(scope="session")
def postgres_in_container(images: Mapping[str, str]) -> Generator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database in a container."""
    container = PostgresContainer(
        images["POSTGRES_IMAGE"], username="panda", password="panda", dbname="panda"
    ).with_kwargs(labels=LABELS)
    (port,) = free_ports(1)
    container.ports["5432"] = ("127.0.0.1", port)
    with container:
        yield f"postgresql+psycopg://panda:panda@127.0.0.1:{port}/panda"
