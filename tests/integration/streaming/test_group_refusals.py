"""What a worker does that its consumer group does not take: it says so, and joins if it can."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from algo_panda.domain.market import MarketTick
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from tests.support.processes import eventually
from tests.support.system import ONE_STRATEGY, System, WorkerProcess, health

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)


@pytest.fixture
def system(tmp_path: Path, kafka, topic_prefix: str) -> Generator[System]:
    running = System(tmp_path, kafka.bootstrap_servers, topic_prefix)
    running.add(ONE_STRATEGY)
    yield running
    running.close()


def group_reason(worker: WorkerProcess) -> str:
    """Of the reasons that /health gives, the one about the group."""
    code, told = health(worker)
    reasons = [r["reason"] for r in told.get("reasons", ()) if "consumer group" in r["reason"]]
    assert not reasons or code == 503
    return reasons[0] if reasons else ""


def ending(worker: WorkerProcess) -> tuple[int, str]:
    """Exit code and the one line that is no log line; nothing else was printed."""
    code = worker.process.wait(120)
    log = worker.log.read_text("utf-8", "replace").splitlines()
    (line,) = [line for line in log if not line.startswith("20")]
    return code, line


@pytest.mark.parametrize("program", ["runner", "risk"])
def test_a_session_time_out_that_the_broker_refuses_ends_the_worker(
    system: System, program: str
) -> None:
    too_long = {"PANDA_KAFKA_SESSION_TIMEOUT_SECONDS": "2000"}  # Kafka allows 30 minutes
    (worker,) = system.start(program, env=too_long)
    code, line = ending(worker)
    assert code == 4
    assert line == (
        f"error: cannot join the consumer group {system.settings.topic(f'panda-{program}')} at"
        f" {system.bootstrap_servers}: the broker refuses a session time-out of 2000 s; set"
        " PANDA_KAFKA_SESSION_TIMEOUT_SECONDS to a value between its settings"
        " group.min.session.timeout.ms and group.max.session.timeout.ms"
    )


def test_a_member_of_another_kind_is_named_until_it_leaves_and_then_all_is_well(
    system: System,
) -> None:
    foreign = Consumer(
        {
            "bootstrap.servers": system.bootstrap_servers,
            "group.id": system.settings.topic("panda-runner"),
            "auto.offset.reset": "earliest",
        }
    )
    try:
        foreign.subscribe([system.settings.topic("ticks")])
        assert eventually(lambda: foreign.poll(0.1) is not None or bool(foreign.assignment()))
        (worker,) = system.start("runner")
        system.wait(
            "the reason", lambda: "uses another assignment protocol" in group_reason(worker)
        )
        assert health(worker)[1]["status"] == "degraded"
        system.wait("a line", lambda: "another assignment protocol" in worker.log.read_text())
    finally:
        foreign.close()
    system.wait("it is a member", lambda: health(worker)[0] == 200)
    published = system.publish(
        MarketTick.of(
            instrument_token=1001, event_time=START + timedelta(seconds=n), last_price=100 + n
        )
        for n in range(20)
    )
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)
    log = worker.log.read_text()
    assert log.count("another assignment protocol") == 1
    assert log.count("works again") == 1
    assert worker.stop() == 0


def test_a_broker_that_has_no_coordinator_for_groups_is_named(tmp_path: Path) -> None:
    # It waits for three brokers, to keep the offsets of groups on, and there is one.
    overrides = {"offsets.topic.replication.factor": "3"}
    with EmbeddedKafka(tmp_path / "kafka", *free_ports(2), overrides=overrides) as broker:
        system = System(tmp_path, broker.bootstrap_servers, "own-")
        try:
            (worker,) = system.start("risk")
            system.wait("the reason", lambda: "Coordinator" in group_reason(worker))
            system.wait(
                "a line", lambda: "not a member of consumer group" in worker.log.read_text()
            )
            assert health(worker)[1]["status"] == "degraded"
        finally:
            system.close()
