import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin import connect, end_offsets, topics_with_prefix
from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.kafka.connection import answers
from algo_panda.kafka.embedded import BrokerStartError, EmbeddedKafka
from algo_panda.kafka.ports import LOOPBACK, free_ports, is_free

pytestmark = pytest.mark.broker

STARTER = """
import sys, time
from pathlib import Path
from algo_panda.kafka.embedded import EmbeddedKafka
broker = EmbeddedKafka(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
process = broker.launch()
print(process.pid, flush=True)
broker.wait_until_ready()
print("ready", flush=True)
time.sleep(600)
"""


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_data_survives_a_restart_on_other_ports_and_nothing_is_left_running(
    tmp_path: Path,
) -> None:
    with EmbeddedKafka(tmp_path, *free_ports(2)) as broker:
        admin = connect(broker.connection)
        create_topics(admin, [NewTopic("kept", num_partitions=1, replication_factor=1)])
        producer = Producer(producer_config(broker.connection))
        producer.produce("kept", b"value")
        assert producer.flush(30) == 0
    assert not broker.running
    assert is_free(broker.port)
    assert is_free(broker.controller_port)

    with EmbeddedKafka(tmp_path, *free_ports(2)) as again:
        assert again.bootstrap_servers != broker.bootstrap_servers
        assert end_offsets(connect(again.connection), ["kept"]) == {("kept", 0): 1}
    assert (tmp_path / "broker.previous.log").stat().st_size > 0


def test_it_creates_no_topic_by_itself_and_listens_on_the_loopback_interface_only(
    tmp_path: Path,
) -> None:
    broker = EmbeddedKafka(tmp_path, *free_ports(2))
    try:
        java = psutil.Process(broker.launch().pid)
        broker.wait_until_ready()
        config = producer_config(broker.connection, message_timeout_ms=500)
        producer = Producer(config)
        producer.produce("undeclared", b"value")
        producer.flush(10)

        assert topics_with_prefix(connect(broker.connection), "undeclared") == []
        listening = [c.laddr for c in java.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert {address.port for address in listening} == {broker.port, broker.controller_port}
        assert {address.ip.removeprefix("::ffff:") for address in listening} == {LOOPBACK}
        assert os.getsid(java.pid) != os.getsid(0), "Ctrl-C at our terminal does not reach it"
    finally:
        broker.stop()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        broker = EmbeddedKafka(tmp_path, taken, *free_ports(1))

        with pytest.raises(BrokerStartError, match=rf"^port {taken} on 127\.0\.0\.1 is in use; "):
            broker.start()
    assert not broker.running


def test_a_second_broker_on_the_same_data_is_refused_before_it_touches_them(
    tmp_path: Path,
) -> None:
    with EmbeddedKafka(tmp_path, *free_ports(2)) as first:
        second = EmbeddedKafka(tmp_path, *free_ports(2))

        with pytest.raises(BrokerStartError, match=rf"^another Kafka runs on {tmp_path}; stop it"):
            second.start()

        assert not second.running
        assert answers(first.connection, timeout_seconds=5)


def test_a_broker_that_cannot_start_says_so_with_the_tail_of_its_log(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path, *free_ports(2)):
        pass
    (tmp_path / "topics" / "meta.properties").write_text("version=1\nnode.id=7\n")
    broken = EmbeddedKafka(tmp_path, *free_ports(2))

    with pytest.raises(BrokerStartError) as caught:
        broken.start()

    first, *tail = str(caught.value).splitlines()
    assert first.startswith("the embedded Kafka ended with code 1 before it answered")
    assert str(tmp_path / "broker.log") in first
    assert any("meta.properties" in line for line in tail)
    assert not broken.running


def test_after_a_crash_it_starts_again_with_what_was_acknowledged(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path, *free_ports(2))
    java = psutil.Process(broker.launch().pid)
    broker.wait_until_ready()
    create_topics(connect(broker.connection), [NewTopic("kept", 1, 1)])
    producer = Producer(producer_config(broker.connection))
    producer.produce("kept", b"value")
    assert producer.flush(30) == 0
    java.kill()
    broker.stop()

    with EmbeddedKafka(tmp_path, *free_ports(2)) as again:
        assert end_offsets(connect(again.connection), ["kept"]) == {("kept", 0): 1}


def test_a_directory_that_is_no_store_of_kafka_is_refused_with_kafkas_reason(
    tmp_path: Path,
) -> None:
    (tmp_path / "topics").write_text("a file where a directory should be")

    with pytest.raises(KafkaError, match=rf"^cannot format {tmp_path} for Kafka\n"):
        EmbeddedKafka(tmp_path, *free_ports(2)).start()


def test_it_ends_with_its_starter_even_where_that_is_killed(tmp_path: Path) -> None:
    port, controller_port = free_ports(2)
    arguments = [str(tmp_path), str(port), str(controller_port)]
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, *arguments], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        java = psutil.Process(int(starter.stdout.readline()))
        assert starter.stdout.readline() == "ready\n"
        assert answers(KafkaConnection(f"{LOOPBACK}:{port}"), timeout_seconds=10)

        starter.send_signal(signal.SIGKILL)

    def gone() -> bool:
        return not java.is_running() or java.status() == psutil.STATUS_ZOMBIE

    assert wait_until(gone)
    assert is_free(port)
