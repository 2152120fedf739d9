"""The compose project, from nothing to fills and back to nothing."""

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, Message

from algo_panda.kafka.ports import free_ports

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

PROJECT = f"algo-panda-test-{os.getpid()}"

Run = Callable[..., str]


def test_ticks_become_fills_in_containers_and_nothing_is_left_behind(
    images: Mapping[str, str], run_docker: Run
) -> None:
    with whole_project(images, run_docker) as kafka:
        for topic in ("signals", "executions"):
            assert first_record(kafka, topic, patience_seconds=120).value()
        version = run_docker("run", "--rm", "algo-panda-test", "version")
        assert version.strip().endswith("(compiled)")
        published = listed(run_docker, "container", "ls", "--format", "{{.Ports}}")
        assert "127.0.0.1:" in published
        assert "0.0.0.0:" not in published
        assert ":::" not in published
    for kind in ("container", "volume", "network"):
        everything = ["--all"] if kind == "container" else []
        assert listed(run_docker, kind, "ls", "--quiet", *everything) == ""


@contextmanager
def whole_project(images: Mapping[str, str], run_docker: Run) -> Generator[str]:
    """Have every service up and healthy, the publisher among them; gives Kafka's address here."""
    kafka_port, postgres_port = free_ports(2)
    environment = {
        **images,
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_PROFILES": "demo",
        "KAFKA_PORT": str(kafka_port),
        "POSTGRES_PORT": str(postgres_port),
        "PANDA_IMAGE": "algo-panda-test",
    }
    try:
        run_docker("compose", "build", "--quiet", "init", env=environment, timeout=900)
        run_docker("compose", "up", "--wait", "--wait-timeout", "240", env=environment, timeout=300)
        yield f"127.0.0.1:{kafka_port}"
    except BaseException as error:
        error.add_note(run_docker("compose", "logs", "--tail", "40", env=environment))
        raise
    finally:
        run_docker("compose", "down", "--volumes", "--timeout", "10", env=environment)


def listed(run_docker: Run, *listing: str) -> str:
    """What a listing of docker's has of this project."""
    label = f"label=com.docker.compose.project={PROJECT}"
    return run_docker(*listing, "--filter", label).strip()


def first_record(bootstrap_servers: str, topic: str, *, patience_seconds: float) -> Message:
    """Wait for the first record of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "compose-test",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    deadline = time.monotonic() + patience_seconds
    try:
        consumer.subscribe([topic])
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is not None and message.error() is None:
                return message
    finally:
        consumer.close()
    pytest.fail(f"no record on {topic} within {patience_seconds:.0f} s")
