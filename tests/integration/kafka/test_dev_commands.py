"""``panda dev`` and ``panda topics`` as a person runs them, without Java or Maven on the path."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from algo_panda.kafka.admin import connect, delete_topics, end_offsets
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.processes import ProcessIdentity, is_alive

pytestmark = pytest.mark.broker

Panda = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def panda(tmp_path: Path) -> Generator[Panda]:
    """Runs the command on a data directory of the test's own; the broker is down afterwards."""
    port, controller_port = free_ports(2)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PANDA_")}
    env = ours | {
        "PATH": str(tmp_path / "nothing-here"),
        "PANDA_DATA_DIR": str(tmp_path),
        "PANDA_DEV_KAFKA_PORT": str(port),
        "PANDA_DEV_CONTROLLER_PORT": str(controller_port),
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("panda")), *arguments],
            cwd=tmp_path,
            env=env | more,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    yield run
    run("dev", "down")


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_broker_in_the_background_from_up_to_down(panda: Panda, tmp_path: Path) -> None:
    status = panda("dev", "status", "--json")
    assert status.returncode == 4
    assert json.loads(status.stdout)["running"] is False

    servers = succeed(panda("dev", "up")).strip()
    assert servers.startswith("127.0.0.1:")
    assert succeed(panda("dev", "up")).strip() == servers, "up again changes nothing"
    facts = json.loads(succeed(panda("dev", "status", "--json")))
    assert facts["bootstrap_servers"] == servers
    assert facts["answers"] is True
    broker = ProcessIdentity.of(facts["pid"])
    assert is_alive(broker)
    assert Path(facts["log_file"]).is_relative_to(tmp_path)
    moved = panda("dev", "up", "--port", "1")
    assert moved.returncode == 4
    assert f"already runs at {servers}" in moved.stderr

    assert json.loads(succeed(panda("topics", "apply", "--json")))["changed"]
    producer = Producer(producer_config(KafkaConnection(servers)))
    producer.produce("ticks", b"value", b"256265")
    assert producer.flush(30) == 0
    succeed(panda("dev", "down"))
    assert not is_alive(broker)

    assert succeed(panda("dev", "up")).strip() == servers
    assert sum(end_offsets(connect(KafkaConnection(servers)), ["ticks"]).values()) == 1, (
        "the data were kept"
    )
    succeed(panda("dev", "down", "--delete-data"))
    assert not (tmp_path / "kafka").exists()


def test_no_kafka_is_one_clear_line(panda: Panda) -> None:
    done = panda("topics", "plan")

    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr == (
        "error: no Kafka: set PANDA_KAFKA_BOOTSTRAP_SERVERS or run 'panda dev up'\n"
    )


def test_a_kafka_that_does_not_answer_is_one_clear_line(panda: Panda) -> None:
    done = panda("topics", "plan", PANDA_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")

    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: Kafka does not answer at 127.0.0.1:1 (")


def test_topics_are_planned_applied_and_described(
    panda: Panda, kafka, kafka_admin, topic_prefix: str
) -> None:
    there = {
        "PANDA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "PANDA_TOPIC_PREFIX": topic_prefix,
    }
    assert panda("topics", "plan", **there).returncode == 0, "a difference is no failure"
    plan = panda("topics", "plan", "--check", "--json", **there)
    assert plan.returncode == 10
    differences = json.loads(plan.stdout)["differences"]
    assert differences[0] == {
        "topic": f"{topic_prefix}ticks",
        "what": "topic",
        "actual": None,
        "declared": "partitions 4, copies 1",
    }

    changed = json.loads(succeed(panda("topics", "apply", "--json", **there)))["changed"]
    assert changed == differences
    assert json.loads(succeed(panda("topics", "apply", "--json", **there))) == {"changed": []}
    assert "as declared" in panda("topics", "plan", "--check", **there).stderr

    described = json.loads(succeed(panda("topics", "describe", "ticks", "--json", **there)))
    (ticks,) = described["topics"]
    assert ticks["exists"] is True
    assert ticks["partitions"] == 4
    assert ticks["written_by"] == ["publisher"]
    assert f"{topic_prefix}orders" in succeed(panda("topics", "describe", **there))
    assert panda("topics", "describe", "nope", **there).returncode == 3

    delete_topics(kafka_admin, [f"{topic_prefix}ticks"])
    missing = panda("topics", "plan", **there)
    assert f"{topic_prefix}ticks" in missing.stdout


def test_a_partition_count_that_differs_is_refused_with_what_to_do(
    panda: Panda, kafka, topic_prefix: str, tmp_path: Path
) -> None:
    there = {
        "PANDA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "PANDA_TOPIC_PREFIX": topic_prefix,
        "PANDA_TOPICS_FILE": "mine.yaml",
    }
    declaration = (
        "topics: {a: {purpose: p, key: k, schema: null, written_by: [w], read_by: [r], "
        "replication_factor: 1, partitions: %d}}"
    )
    (tmp_path / "mine.yaml").write_text(declaration % 1)
    succeed(panda("topics", "apply", **there))
    (tmp_path / "mine.yaml").write_text(declaration % 2)

    done = panda("topics", "apply", **there)

    assert done.returncode == 4
    assert f"{topic_prefix}a has 1 partitions, declared 2. Its keys would move" in done.stderr
    (tmp_path / "mine.yaml").write_text("topics: {a: {partition: 2}}")
    typo = panda("topics", "plan", **there)
    assert typo.returncode == 3
    assert typo.stderr == "error: mine.yaml:1: topics.a.partition: unknown key partition\n"
