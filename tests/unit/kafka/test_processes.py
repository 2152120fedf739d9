import signal
import subprocess
import sys
from collections.abc import Generator

import psutil
import pytest

from algo_panda.kafka.ports import free_ports, is_free
from algo_panda.kafka.processes import ProcessIdentity, end_process, is_alive

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def sleeper() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_a_process_is_found_again_until_it_ends(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    assert is_alive(identity)

    assert end_process(identity, patience_seconds=10)

    assert not is_alive(identity)
    assert end_process(identity, patience_seconds=10), "ending it again does no harm"


def test_another_process_with_the_same_pid_is_not_taken_for_it(
    sleeper: subprocess.Popen[bytes],
) -> None:
    now = ProcessIdentity.of(sleeper.pid)
    earlier = ProcessIdentity(pid=now.pid, started_at=now.started_at - 3600)

    assert not is_alive(earlier)
    assert end_process(earlier, patience_seconds=10)
    assert sleeper.poll() is None, "the other process is left alone"


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    identity = ProcessIdentity.of(process.pid)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass

    assert not is_alive(identity)
    process.wait()


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        ended_by_itself = end_process(ProcessIdentity.of(process.pid), patience_seconds=0.2)

        assert not ended_by_itself
        assert process.wait(10) == -signal.SIGKILL


def test_the_guard_ends_its_process_when_the_pipe_to_it_closes(
    sleeper: subprocess.Popen[bytes],
) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    arguments = [str(identity.pid), str(identity.started_at)]
    with subprocess.Popen(
        [sys.executable, "-m", "algo_panda.kafka.guard", *arguments], stdin=subprocess.PIPE
    ) as guard:
        assert is_alive(identity)
        guard.communicate(timeout=20)

    assert not is_alive(identity)


def test_no_process_has_no_identity() -> None:
    with pytest.raises(ProcessLookupError):
        ProcessIdentity.of(2**22 + 1)


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(3)

    assert len(set(ports)) == 3
    assert all(is_free(port) for port in ports)
