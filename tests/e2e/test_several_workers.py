"""``panda worker NAME --workers N``."""

import signal

import psutil
import pytest

from algo_panda.kafka.ports import LOOPBACK, free_ports
from tests.e2e.test_flow import TOKENS, rules_rsi, synthetic
from tests.support.reference import uninterrupted
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


def listening_on(process: psutil.Process) -> list[tuple[str, int]]:
    """Host and port of every socket on which ``process`` takes connections or datagrams."""
    return [
        (connection.laddr.ip, connection.laddr.port)
        for connection in process.net_connections("inet")
        if connection.laddr and not connection.raddr
    ]


def test_several_workers_share_the_partitions_and_stop_together(system: System) -> None:
    config = rules_rsi(*TOKENS)
    system.add(config)
    (parent,) = system.start("runner", args=["--workers", "2"], env={"PANDA_METRICS_PORT": ""})
    published = system.publish(synthetic(20_000))
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)
    family = psutil.Process(parent.process.pid).children()
    children = [child for child in family if "worker" in child.cmdline()]
    assert len(children) == 2
    for child in children:  # its metrics, and no web server of Faust's (port 6066)
        (listening,) = listening_on(child)
        assert listening[0] == LOOPBACK
        assert listening[1] != 6066
    assert listening_on(psutil.Process(parent.process.pid)) == []

    assert parent.stop(signal.SIGTERM) == 0
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    signals = {s.signal_id: s for s in system.values("signals")}
    assert signals == uninterrupted(system, [config], system.records("ticks"))


def test_where_one_fails_all_end_with_its_exit_code(system: System) -> None:
    (port,) = free_ports(1)
    ended = system.panda(
        "worker",
        "risk",
        "--workers",
        "2",
        env={"PANDA_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"},
    )
    assert ended.returncode == 4
    assert "Traceback" not in ended.stderr
