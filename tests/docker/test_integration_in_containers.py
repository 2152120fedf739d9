"""The tests of Kafka and of the database once more, on servers in containers."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

CHECKOUT = Path(__file__).resolve().parents[2]

WITH_SERVERS_OF_THEIR_OWN = (
    "tests/integration/kafka/test_dev_commands.py",
    "tests/integration/kafka/test_embedded_kafka.py",
    "tests/integration/kafka/test_startup_cache.py",
    "tests/integration/security",
    "tests/integration/streaming/test_control.py",
    "tests/integration/streaming/test_liveness.py",
    "tests/integration/streaming/test_truncated_topics.py",
    "tests/integration/wire/test_real_registry.py",
)


@pytest.mark.parametrize(
    "selection",
    [
        [
            "tests/integration",
            "--numprocesses=2",
            *(f"--ignore={path}" for path in WITH_SERVERS_OF_THEIR_OWN),
        ],
        ["tests/contracts", "-k", "postgresql"],
        ["tests/golden", "-k", "postgresql"],
    ],
    ids=["integration", "contracts of the database", "databases of earlier versions"],
)
def test_what_passes_elsewhere_passes_on_servers_in_containers(
    selection: list[str],
    kafka_in_container: str,
    postgres_in_container: str,
    server_logs: Callable[[], str],
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *selection],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "PANDA_TEST_KAFKA_BOOTSTRAP_SERVERS": kafka_in_container,
            "PANDA_TEST_DATABASE_URL": postgres_in_container,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-10_000:]}\n{server_logs()}"
    assert re.search(r"\b[1-9]\d* passed", done.stdout), done.stdout[-10_000:]
    assert "PANDA_TEST_DATABASE_URL is not set" not in done.stdout


def test_what_is_left_out_is_there() -> None:
    assert [path for path in WITH_SERVERS_OF_THEIR_OWN if not (CHECKOUT / path).exists()] == []
