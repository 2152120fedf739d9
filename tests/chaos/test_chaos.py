"""The short form of the chaos suite, seeded; ``make chaos`` is the long one."""

import json
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from tests.chaos.storm import Storm
from tests.chaos.strategies import PROCESSORS
from tests.chaos.system import ChaosSystem, Verdict

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

MakeSystem = Callable[..., ChaosSystem]


@pytest.fixture(autouse=True)
def _processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANDA_PROCESSORS", json.dumps(PROCESSORS))
    monkeypatch.setenv("PANDA_STRATEGIES_PATH", str(Path(__file__).parents[2]))


@pytest.fixture
def make_system(tmp_path: Path, kafka, topic_prefix: str) -> Generator[MakeSystem]:
    made: list[ChaosSystem] = []

    def make(delivery: str = "at_least_once", broker: EmbeddedKafka | None = None) -> ChaosSystem:
        servers = kafka.bootstrap_servers if broker is None else broker.bootstrap_servers
        made.append(ChaosSystem(tmp_path, servers, topic_prefix, delivery))
        return made[-1]

    yield make
    for system in made:
        system.close()


def test_killed_frozen_and_changed_workers_leave_no_trace(make_system: MakeSystem) -> None:
    storm = Storm(make_system(), seed=11)
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
    storm = Storm(make_system("exactly_once"), seed=12)
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
        storm = Storm(make_system(broker=broker), seed=13, broker=broker)
        with storm:
            storm.strike(Storm.kill_broker)
            storm.strike(Storm.signals_outage)
        verdict = storm.settle()
        report(storm, verdict)
        assert verdict.differences == 0, verdict
        storm.system.close()


def report(storm: Storm, verdict: Verdict) -> None:
    sys.stdout.write(
        f"seed {storm.seed}: {storm.kills} kills, {storm.system.rebalances()} rebalances,"
        f" {verdict.ticks} ticks, {verdict.signals} signals,"
        f" {verdict.duplicates} duplicates removed, {verdict.differences} differences\n"
    )
