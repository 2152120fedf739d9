"""The reader of ``control`` on a real broker that stops to answer, is killed, and comes back."""

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from algo_panda.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from algo_panda.kafka.admin import connect, delete_topics, topics_with_prefix
from algo_panda.kafka.clients import producer_config
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


def recreated(system: System, *events: tuple[str, TradingState]) -> None:
    """Delete ``control``, create it anew and fill it."""
    admin = connect(system.connection)
    delete_topics(admin, ["own-control"])
    assert eventually(lambda: "own-control" not in topics_with_prefix(admin, "own-control"))
    assert system.panda("topics", "apply").returncode == 0
    producer = Producer(producer_config(system.connection))
    for account, state in events:
        event = ControlEvent(
            account=account, state=state, reason="r", issued_by="me", issued_at=datetime.now(UTC)
        )
        producer.produce("own-control", system.codecs.control.encode(event), account.encode())
    assert producer.flush(30) == 0


@pytest.mark.parametrize("restarts", [0, 2])
def test_a_halt_on_a_topic_created_anew_is_read_although_it_is_longer(
    system: System, broker: EmbeddedKafka, restarts: int
) -> None:
    for _ in range(3):
        assert system.panda("control", "reduce", "--account", "zerodha").returncode == 0
    for _ in range(restarts):  # the leader epoch of the old topic rises, a new topic begins at 0
        broker.stop()
        broker.start()
    states = TradingStates(time.monotonic, 2.0)
    watcher = ControlWatcher(
        connection=system.connection,
        topic="own-control",
        decoder=system.codecs.control,
        states=states,
    )
    paused, follow = threading.Event(), watcher._follow

    def follow_unless_paused() -> None:
        if not paused.is_set():
            follow()

    watcher._follow = follow_unless_paused  # type: ignore[method-assign]
    with watcher:
        assert states.of("paper") is TradingState.ACTIVE
        paused.set()
        # Or the client would notice the moment in which the new topic is empty, and start over.
        watcher._consumer.pause([TopicPartition("own-control", 0)])
        others = [("zerodha", TradingState.ACTIVE)] * 6
        recreated(system, ("paper", TradingState.HALTED), *others)
        watcher._consumer.resume([TopicPartition("own-control", 0)])
        paused.clear()
        assert eventually(lambda: states.outdated_seconds is None and states.view().offset == 7)
        assert eventually(lambda: states.of("zerodha") is TradingState.ACTIVE)
        assert states.of("paper") is TradingState.HALTED
        assert eventually(lambda: watcher.trouble is None)


def test_a_halt_on_a_topic_created_anew_while_a_worker_was_suspended_is_logged(
    system: System, broker: EmbeddedKafka
) -> None:
    assert system.panda("control", "reduce", "--account", "zerodha").returncode == 0
    session = {"PANDA_KAFKA_SESSION_TIMEOUT_SECONDS": "60"}
    (worker,) = system.start("router", env=session)
    system.wait("it is ready", lambda: health(worker)[0] == 200)
    os.kill(worker.process.pid, signal.SIGSTOP)
    try:
        recreated(system, ("paper", TradingState.HALTED), *[("zerodha", TradingState.ACTIVE)] * 4)
    finally:
        os.kill(worker.process.pid, signal.SIGCONT)
    system.wait("the halt", lambda: "account paper is HALTED" in worker.log.read_text())
    system.wait("all is well", lambda: health(worker)[0] == 200)
    assert "own-control was deleted and created anew" in worker.log.read_text()
    assert worker.stop() == 0


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
