"""The reader of ``control`` on a real broker that stops to answer, is killed, and comes back."""

import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from algo_panda.domain.trading import ALL_ACCOUNTS, TradingState
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from algo_panda.streaming.control import ControlWatcher, TradingStates
from tests.support.processes import eventually
from tests.support.system import System, WorkerProcess, health

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

HALTED = "all trading is halted until it can be"


@pytest.fixture
def broker(tmp_path: Path) -> Generator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka", *free_ports(2)) as broker:
        yield broker


@pytest.fixture
def system(tmp_path: Path, broker: EmbeddedKafka) -> Generator[System]:
    running = System(tmp_path, broker.bootstrap_servers, "own-")
    yield running
    running.close()


@contextmanager
def frozen(broker: EmbeddedKafka) -> Generator[None]:
    """Connections stay open, and nothing answers on them."""
    assert broker._process is not None
    broker._process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        broker._process.send_signal(signal.SIGCONT)


def reason_of(worker: WorkerProcess) -> str:
    """Of the reasons that /health gives, the one about ``control``."""
    _, told = health(worker)
    return next((r["reason"] for r in told.get("reasons", ()) if "own-control" in r["reason"]), "")


def test_while_the_broker_does_not_answer_all_is_halted_and_then_as_recorded(
    system: System, broker: EmbeddedKafka, caplog: pytest.LogCaptureFixture
) -> None:
    assert system.panda("control", "reduce", "--account", "paper").returncode == 0
    states = TradingStates(time.monotonic, 2.0)
    watcher = ControlWatcher(
        connection=system.connection,
        topic="own-control",
        decoder=system.codecs.control,
        states=states,
        clock=time.monotonic,
    )

    def is_as_recorded() -> bool:
        given = (states.of("paper"), states.of("other"))
        return given == (TradingState.REDUCING, TradingState.ACTIVE)

    def is_halted() -> bool:
        given = {states.of("paper"), states.of("other"), states.of(ALL_ACCOUNTS)}
        return given == {TradingState.HALTED}

    with watcher:
        assert eventually(is_as_recorded)
        with frozen(broker):
            assert eventually(is_halted)
            assert eventually(lambda: HALTED in caplog.text)
            assert "own-control cannot be read for " in str(watcher.trouble)
            assert "s: every account is treated as halted" in str(watcher.trouble)
        assert eventually(is_as_recorded)
        assert eventually(lambda: watcher.trouble is None)

        assert broker._process is not None
        broker._process.kill()
        broker.stop()
        assert eventually(is_halted)
        assert eventually(lambda: caplog.text.count(HALTED) >= 2)
        broker.start()
        assert eventually(is_as_recorded)
        # Nothing was sent meanwhile: what is in force again is what was recorded before.
        assert [event.state for event in states.events()] == [TradingState.REDUCING]
        assert system.panda("control", "halt", "--account", "paper").returncode == 0
        assert eventually(lambda: states.of("paper") is TradingState.HALTED)
        assert states.of("other") is TradingState.ACTIVE
    begun = [line for line in caplog.messages if HALTED in line]
    ended = [line for line in caplog.messages if "can be read again" in line]
    assert len(begun) == len(ended) >= 2
    assert "thread control" not in caplog.text  # no error but that nobody answers


@pytest.mark.parametrize("program", ["risk", "router", "paper"])
def test_every_worker_that_asks_for_the_state_of_accounts_shows_it(
    system: System, broker: EmbeddedKafka, program: str
) -> None:
    (worker,) = system.start(program, env={"PANDA_CONTROL_TIMEOUT_SECONDS": "3"})
    system.wait("it is ready", lambda: health(worker)[0] == 200)
    with frozen(broker):
        system.wait("it is halted", lambda: "treated as halted" in reason_of(worker))
        assert health(worker)[0] == 503
        system.wait("a line", lambda: HALTED in worker.log.read_text())
    system.wait("all is well", lambda: health(worker)[0] == 200)
    log = worker.log.read_text()
    assert log.count("own-control can be read again") == log.count(HALTED) >= 1
    assert worker.stop() == 0
