"""The short form of the chaos suite, seeded; ``make chaos`` is the long one."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from tests.chaos.inputs import INPUT_FAULTS
from tests.chaos.registry import FileRegistry
from tests.chaos.stops import STOPS
from tests.chaos.storm import CLIMATES, Storm, strategies, unruly
from tests.chaos.strategies import PROCESSORS
from tests.chaos.surroundings import SURROUNDING_FAULTS
from tests.chaos.system import ChaosSystem, Verdict

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

MakeSystem = Callable[..., ChaosSystem]
ALL = [*strategies(), *unruly()]


@pytest.fixture(autouse=True)
def _processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANDA_PROCESSORS", json.dumps(PROCESSORS))
    monkeypatch.setenv("PANDA_STRATEGIES_PATH", str(Path(__file__).parents[2]))


@pytest.fixture
def make_system(tmp_path: Path, kafka, topic_prefix: str) -> Generator[MakeSystem]:
    made: list[ChaosSystem] = []

    def make(
        delivery: str = "at_least_once", broker: EmbeddedKafka | None = None, **changes: Any
    ) -> ChaosSystem:
        servers = kafka.bootstrap_servers if broker is None else broker.bootstrap_servers
        made.append(ChaosSystem(tmp_path, servers, topic_prefix, delivery, changes))
        return made[-1]

    yield make
    for system in made:
        system.close()


def test_killed_frozen_and_changed_workers_leave_no_trace(make_system: MakeSystem) -> None:
    storm = Storm(make_system(), seed=11, ticks_per_fault=6000)
    with storm:
        for fault in (
            Storm.kill_runner,
            Storm.freeze_runner,
            Storm.change_parameters,
            Storm.crash_at_step,
            Storm.zombie_at_step,
            Storm.kill_stage,
        ):
            storm.strike(fault)
    verdict = storm.settle()
    report(storm, verdict)
    assert verdict.activations > len(storm.system.versions)
    assert storm.kills >= 4
    assert verdict.differences == 0, verdict
    expect_replay_to_agree(storm.system, verdict)


def expect_replay_to_agree(system: ChaosSystem, verdict: Verdict) -> None:
    """What was recorded in the storm replays to the signals that were said in it."""
    recorded = system.panda("record", "recording")
    assert recorded.returncode == 0, recorded.stderr
    ended = system.panda("replay", "recording", "--verify-live", "--json", timeout=240)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    found = json.loads(ended.stdout)
    assert found["equal"]
    assert found["signals"] == verdict.signals > 1_000


def test_exactly_once_leaves_nothing_to_remove(make_system: MakeSystem) -> None:
    storm = Storm(make_system("exactly_once"), seed=12, ticks_per_fault=6000)
    with storm:
        for fault in (Storm.kill_runner, Storm.terminate_runner, Storm.crash_at_step):
            storm.strike(fault)
    verdict = storm.settle()
    report(storm, verdict)
    assert verdict.differences == 0, verdict
    assert verdict.duplicates == 0


def test_a_broker_that_dies_and_comes_back_loses_nothing(
    make_system: MakeSystem, tmp_path: Path
) -> None:
    with EmbeddedKafka(tmp_path / "kafka", *free_ports(2)) as broker:
        storm = Storm(make_system(broker=broker), 13, broker, ticks_per_fault=6000)
        with storm:
            storm.strike(Storm.kill_broker)
            storm.strike(Storm.signals_outage)
        verdict = storm.settle()
        report(storm, verdict)
        assert verdict.differences == 0, verdict
        storm.system.close()


@pytest.fixture
def registry(topic_prefix: str) -> Generator[FileRegistry]:
    with FileRegistry(topic_prefix) as serving:
        yield serving


def test_workers_that_cannot_start_change_nothing(
    make_system: MakeSystem, registry: FileRegistry
) -> None:
    """With partial fills, expiries and fees, and a schema registry."""
    system = make_system(**CLIMATES["partial fills"], schema_registry_url=registry.url)
    storm = Storm(system, 14, rate=300, ticks_per_fault=1500, registry=registry, configs=ALL)
    with storm:
        for fault in (*SURROUNDING_FAULTS, Storm.kill_all):
            storm.strike(fault)
    verdict = storm.settle()
    report(storm, verdict)
    assert verdict.differences == 0, verdict
    statuses = Counter(report.status for report in system.usable("executions"))
    assert statuses["PARTIALLY_FILLED"] > 100
    assert statuses["EXPIRED"] > 10
    assert {code for code in storm.endings if code > 0} == {3, 5}


@pytest.mark.parametrize("climate", ["plain", "irregular ticks"])
def test_irregular_input_is_answered_once(make_system: MakeSystem, climate: str) -> None:
    """Dead letters are replayed, and accounts are halted in a burst."""
    system = make_system(**CLIMATES[climate])
    storm = Storm(system, 15, rate=300, ticks_per_fault=1500, configs=ALL)
    with storm:
        for fault in (*INPUT_FAULTS, Storm.kill_runner, Storm.kill_stage):
            storm.strike(fault)
    verdict = storm.settle()
    report(storm, verdict)
    assert verdict.differences == 0, verdict
    rejected = Counter(one.code for one in storm.system.usable("rejections"))
    assert rejected["TRADING_HALTED"] > 10
    assert rejected["BROKER_UNAVAILABLE"] > 100
    codes = Counter(
        letter.headers["panda.dlq.error.code"] for letter in storm.system.records("ticks.dlq")
    )
    assert (codes[b"MISPLACED_KEY"] > 0) == (climate == "plain")


@pytest.mark.parametrize("scenario", STOPS)
def test_a_stop_has_instructions_that_help(
    make_system: MakeSystem, scenario: Callable[[Storm], None]
) -> None:
    with Storm(make_system(), 16, rate=120, configs=ALL) as storm:
        scenario(storm)


def report(storm: Storm, verdict: Verdict) -> None:
    sys.stdout.write(
        f"seed {storm.seed}: {storm.kills} kills, {storm.system.rebalances()} rebalances,"
        f" {verdict.ticks} ticks, {verdict.signals} signals,"
        f" {verdict.duplicates} duplicates removed, {verdict.differences} differences\n"
    )
