"""What a worker process does where it cannot go on: one clear line, and nothing skipped."""

import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from algo_panda.domain.market import MarketTick
from algo_panda.kafka.admin import connect, delete_topics, topic_states
from algo_panda.kafka.clients import producer_config
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.topic_apply import apply_differences
from algo_panda.kafka.topic_diff import find_differences
from algo_panda.streaming.changelog import CHECKPOINT_KEY
from tests.support.system import ONE_STRATEGY, System, WorkerProcess, health

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)


@pytest.fixture
def system(tmp_path: Path, kafka, topic_prefix: str) -> Generator[System]:
    running = System(tmp_path, kafka.bootstrap_servers, topic_prefix)
    running.add(ONE_STRATEGY)
    yield running
    running.close()


def ticks(count: int) -> list[MarketTick]:
    return [
        MarketTick.of(
            instrument_token=1001, event_time=START + timedelta(seconds=n), last_price=100 + n
        )
        for n in range(count)
    ]


def run_until_processed(system: System, count: int) -> WorkerProcess:
    system.workers.clear()  # those before have ended, each in its own way
    (worker,) = system.start("runner")
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == count)
    return worker


def recreate(system: System, topic: str) -> None:
    """Until the broker shows the new one: for a moment it may still show the old one, or none."""
    admin = connect(system.connection)
    name = system.settings.topic(topic)
    before = topic_states(admin, [name])[name].topic_id
    delete_topics(admin, [name])
    declared = list(declared_topics(system.settings).values())

    def is_there_anew() -> bool:
        apply_differences(admin, find_differences(admin, declared))
        state = topic_states(admin, [name]).get(name)
        return state is not None and state.topic_id != before

    system.until("the topic created anew", is_there_anew)


def ending(worker: WorkerProcess) -> tuple[int, list[str]]:
    code = worker.process.wait(120)
    lines = worker.log.read_text("utf-8", "replace").splitlines()
    assert not [line for line in lines if line.startswith("Traceback")]
    return code, [line for line in lines if line.startswith("error: ")]


def assert_recreated(system: System, code: int, errors: list[str], topic: str = "ticks") -> None:
    assert code == 4
    assert len(errors) == 1
    assert f"topic {system.settings.topic(topic)} was deleted and created anew" in errors[0]
    assert "panda topics apply" in errors[0]


def test_a_topic_created_anew_while_the_worker_was_away_is_an_error(system: System) -> None:
    worker = run_until_processed(system, system.publish(ticks(20)))
    assert worker.stop() == 0
    recreate(system, "ticks")
    system.publish(ticks(30))
    (again,) = system.start("runner")
    assert_recreated(system, *ending(again))
    assert len(system.records("signals")) == 15


def test_a_topic_created_anew_under_a_running_worker_is_an_error(system: System) -> None:
    worker = run_until_processed(system, system.publish(ticks(20)))
    recreate(system, "ticks")
    system.publish(ticks(300))
    assert_recreated(system, *ending(worker))


def test_a_changelog_created_anew_under_a_running_worker_is_an_error(system: System) -> None:
    """Only the state that changes would be in it: of other instruments it would be lost."""
    worker = run_until_processed(system, system.publish(ticks(20)))
    recreate(system, "runner-state-changelog")
    assert_recreated(system, *ending(worker), "runner-state-changelog")


def test_ticks_that_were_not_retained_until_they_were_processed_are_an_error(
    system: System, kafka_admin: AdminClient
) -> None:
    worker = run_until_processed(system, system.publish(ticks(20)))
    assert worker.stop() == 0
    system.publish(ticks(40))
    name = system.settings.topic("ticks")
    before = {(r.partition, r.offset) for r in system.records("ticks")}
    (partition,) = {p for p, _ in before}
    for answer in kafka_admin.delete_records([TopicPartition(name, partition, 30)]).values():
        answer.result(30)
    (again,) = system.start("runner")
    code, errors = ending(again)
    assert code == 4
    assert len(errors) == 1
    assert "no longer retained" in errors[0]
    assert f"{name}[{partition}]" in errors[0]
    changelog = system.settings.topic("runner-state-changelog")
    assert errors[0].count(f"delete the topic {changelog}, run 'panda topics apply'") == 1


@pytest.mark.parametrize("topic", ["ticks", "signals", "runner-state-changelog"])
def test_partitions_that_are_added_to_a_topic_stop_the_worker(
    system: System, kafka_admin: AdminClient, topic: str
) -> None:
    worker = run_until_processed(system, system.publish(ticks(20)))
    name, count = system.settings.topic(topic), system.partitions[topic]
    for answer in kafka_admin.create_partitions([NewPartitions(name, count + 1)]).values():
        answer.result(30)
    for one in (worker, None):
        code, errors = ending(one or system.start("runner")[0])
        assert code == 4
        assert len(errors) == 1
        assert f"{name} has {count + 1} partitions, declared {count}" in errors[0]
        assert "run 'panda topics apply'" in errors[0]


def test_a_refused_signal_stops_the_worker_before_its_ticks_count_as_processed(
    system: System, kafka_admin: AdminClient
) -> None:
    set_limit = limiter(system, kafka_admin)
    worker = run_until_processed(system, system.publish(ticks(3)))
    set_limit("20")
    published = 3 + system.publish(ticks(20)[3:])
    code, errors = ending(worker)
    assert code == 4
    assert len(errors) == 1
    assert "not delivered" in errors[0]
    assert system.records("signals") == []
    set_limit(None)
    run_until_processed(system, published)
    assert [s.tick_offset for s in system.values("signals")] == list(range(5, 20))


def limiter(system: System, admin: AdminClient) -> Callable[[str | None], None]:
    def set_limit(largest: str | None) -> None:
        do = AlterConfigOpType.DELETE if largest is None else AlterConfigOpType.SET
        entry = ConfigEntry("max.message.bytes", largest, incremental_operation=do)
        resource = ConfigResource(
            ResourceType.TOPIC, system.settings.topic("signals"), incremental_configs=[entry]
        )
        for answer in admin.incremental_alter_configs([resource]).values():
            answer.result(30)

    return set_limit


def test_a_worker_told_to_stop_while_it_starts_stops(system: System) -> None:
    system.publish(ticks(20))
    for delay in (0.8, 1.6, 2.4, 3.2):
        (worker,) = system.start("runner")
        time.sleep(delay)  # any moment will do: that is the point
        assert worker.stop() in (0, -15)
    run_until_processed(system, 20)


@pytest.mark.parametrize("program", ["runner", "risk", "router", "paper"])
def test_state_whose_checkpoint_was_deleted_is_an_error(system: System, program: str) -> None:
    (worker,) = system.start(program)  # a first start, without any state
    system.wait("it is ready", lambda: health(worker)[0] == 200)
    assert worker.stop() == 0
    changelog = system.settings.topic(f"{program}-state-changelog")
    producer = Producer(producer_config(system.connection))
    producer.produce(changelog, b"not read", b"a key of state", partition=0)
    producer.produce(changelog, None, CHECKPOINT_KEY, partition=0)
    assert producer.flush(30) == 0
    system.workers.clear()
    (again,) = system.start(program)
    code, errors = ending(again)
    assert code == 4
    assert len(errors) == 1
    assert f"changelog {changelog}[0] " in errors[0]
    assert "checkpoint record" in errors[0]
    assert f"delete the topic {changelog} and run 'panda topics apply'" in errors[0]
