import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.dev_broker import (
    find_dev_broker,
    kafka_connection,
    start_dev_broker,
    stop_dev_broker,
)
from algo_panda.kafka.processes import ProcessIdentity
from algo_panda.settings import Settings


def write_state(data_dir: Path, process: ProcessIdentity) -> Path:
    """Leave a state file as ``panda dev up`` does, for a broker that is that process."""
    directory = data_dir / "kafka"
    directory.mkdir()
    state = {
        "pid": process.pid,
        "started_at": process.started_at,
        "port": 19092,
        "controller_port": 19093,
        "log_file": str(directory / "broker.log"),
    }
    (directory / "dev-broker.json").write_text(json.dumps(state))
    return directory


def settings(data_dir: Path, servers: str | None = None) -> Settings:
    return Settings(data_dir=data_dir, kafka_bootstrap_servers=servers)


def test_the_kafka_that_is_set_comes_first(tmp_path: Path) -> None:
    write_state(tmp_path, ProcessIdentity.of(os.getpid()))

    assert kafka_connection(settings(tmp_path, "a:1,b:2")).bootstrap_servers == "a:1,b:2"


def test_the_running_dev_broker_is_found(tmp_path: Path) -> None:
    write_state(tmp_path, ProcessIdentity.of(os.getpid()))

    assert kafka_connection(settings(tmp_path)).bootstrap_servers == "127.0.0.1:19092"


def test_without_either_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KafkaError) as caught:
        kafka_connection(settings(tmp_path))

    assert str(caught.value) == (
        "no Kafka: set PANDA_KAFKA_BOOTSTRAP_SERVERS or run 'panda dev up'"
    )


def test_the_state_of_a_dead_broker_is_stale(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
    directory = write_state(tmp_path, identity)

    assert find_dev_broker(directory) is None
    assert stop_dev_broker(directory) is None
    assert not (directory / "dev-broker.json").exists()


def test_a_pid_that_another_process_was_given_is_stale_and_that_one_is_spared(
    tmp_path: Path,
) -> None:
    us = ProcessIdentity.of(os.getpid())
    directory = write_state(
        tmp_path, ProcessIdentity(pid=us.pid, started_at=us.started_at - 86_400)
    )

    assert find_dev_broker(directory) is None
    assert stop_dev_broker(directory) is None  # or this test would not get any further


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "what": 2}'])
def test_a_state_file_that_makes_no_sense_is_no_broker(tmp_path: Path, text: str) -> None:
    directory = tmp_path / "kafka"
    directory.mkdir()
    (directory / "dev-broker.json").write_text(text)

    assert find_dev_broker(directory) is None


def test_stopping_where_nothing_ever_ran_creates_nothing(tmp_path: Path) -> None:
    assert stop_dev_broker(tmp_path / "kafka", delete_data=True) is None
    assert not (tmp_path / "kafka").exists()


def test_a_directory_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    with pytest.raises(KafkaError) as refused:
        start_dev_broker(file / "kafka", 19092, 19093)

    assert str(file) in str(refused.value)
    assert "Not a directory" in str(refused.value)
    assert "PANDA_DATA_DIR" in str(refused.value)
