"""What a person sees where something is missing: one clear line, an exit code, no traceback."""

import pytest

from algo_panda.kafka.admin import connect, delete_topics
from algo_panda.kafka.ports import free_ports
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("program", ["runner", "risk", "router", "paper"])
def test_no_broker_is_one_clear_line(system: System, program: str) -> None:
    (port,) = free_ports(1)
    server = f"127.0.0.1:{port}"
    ended = system.panda("worker", program, env={"PANDA_KAFKA_BOOTSTRAP_SERVERS": server})
    assert ended.returncode == 4
    assert_one_line(ended.stderr, server)


def test_a_missing_topic_is_named_with_what_to_do(system: System) -> None:
    delete_topics(connect(system.connection), [system.settings.topic("signals")])
    ended = system.panda("worker", "risk")
    assert ended.returncode == 4
    assert_one_line(ended.stderr, system.settings.topic("signals"), "panda topics apply")


def test_no_database_is_one_clear_line(system: System) -> None:
    url = f"sqlite:///{system.folder}/absent/nothing.db"
    ended = system.panda("worker", "runner", env={"PANDA_DATABASE_URL": url})
    assert ended.returncode == 5
    assert_one_line(ended.stderr, "panda db upgrade")


def test_wrong_credentials_are_one_clear_line_without_the_password(system: System) -> None:
    (port,) = free_ports(1)
    url = f"postgresql://me:very-secret@127.0.0.1:{port}/panda"
    ended = system.panda("worker", "runner", env={"PANDA_DATABASE_URL": url})
    assert ended.returncode == 5
    assert_one_line(ended.stderr, "127.0.0.1")
    assert "very-secret" not in ended.stderr + ended.stdout


def test_a_wrong_setting_is_named(system: System) -> None:
    ended = system.panda("worker", "runner", env={"PANDA_DELIVERY": "maybe"})
    assert ended.returncode == 3
    assert_one_line(ended.stderr, "PANDA_DELIVERY")


def assert_one_line(text: str, *parts: str) -> None:
    lines = text.strip().splitlines()
    assert "Traceback" not in text
    assert len(lines) == 1, text
    assert lines[0].startswith("error: ")
    for part in parts:
        assert part in lines[0], text
