"""``panda worker NAME --workers N``."""

import signal

import psutil
import pytest

from app.kafka.ports import free_ports
from tests.e2e.test_flow import TOKENS, rules_rsi, synthetic
from tests.support.reference import uninterrupted
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]


def test_several_workers_share_the_partitions_and_stop_together(system: System) -> None:
    config = rules_rsi(*TOKENS)
    system.add(config)
    (parent,) = system.start("runner", args=["--workers", "2"], env={"PANDA_METRICS_PORT": ""})
    published = system.publish(synthetic(20_000))
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)
    children = psutil.Process(parent.process.pid).children()
    assert len(children) == 2

    assert parent.stop(signal.SIGTERM) == 0
    assert not any(child.is_running() for child in children)
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
