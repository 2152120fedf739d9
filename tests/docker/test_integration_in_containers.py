"""The integration tests once more, on PostgreSQL and on a Kafka that is not the embedded one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

TESTS = Path(__file__).resolve().parents[1]
KAFKA = "PANDA_TEST_KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "PANDA_TEST_DATABASE_URL"


def test_the_integration_tests_pass_on_kafka_and_postgresql_in_containers(
    kafka_in_container: str, postgres_in_container: str
) -> None:
    skip_unless_the_tests_take_other_servers()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / "integration"],
        cwd=TESTS.parent,
        env={**os.environ, KAFKA: kafka_in_container, DATABASE: postgres_in_container},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    assert re.search(r"\b[1-9]\d* passed", done.stdout), done.stdout[-10_000:]


def skip_unless_the_tests_take_other_servers() -> None:
    here = Path(__file__).parent
    code = [path.read_text() for path in TESTS.rglob("*.py") if here not in path.parents]
    for variable in (KAFKA, DATABASE):
        if not any(variable in text for text in code):
            pytest.skip(f"no test reads {variable} yet")
