"""The owner's strategies and validator, unchanged: live, across a restart, in a backtest."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from algo_panda.domain.trading import RejectionCode, Stage
from algo_panda.ingest.opening import Reading, open_source
from tests.e2e.test_replay import wait_for_ticks
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

RULES = Counter(BUY=3_316, SELL=3_517)
HYBRID = Counter(BUY=6_833)


def environment(folder: Path) -> Mapping[str, str]:
    processors = {
        "owners_rules": "rules_rsi.create_processor",
        "owners_hybrid": "hybrid_ml_rsi.create_processor",
    }
    validators = {"owners_validator": "bool_validator.create_standard_validator"}
    return {
        "PANDA_PROCESSORS": json.dumps(processors),
        "PANDA_VALIDATORS": json.dumps(validators),
        "PANDA_STRATEGIES_PATH": str(folder),
    }


def test_the_owners_modules_run_unchanged_live_and_in_a_backtest(
    system: System, ibm_trades: Path, owners_modules: Path, tmp_path: Path
) -> None:
    env = environment(owners_modules)

    def panda(*arguments: str) -> str:
        done = system.panda(*arguments, env=env, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def add(strategy_type: str, *options: str) -> str:
        return panda("strategies", "add", strategy_type, "--instruments", "1001", *options)

    validated = ("--validator", "owners_validator")
    rules = add("owners_rules", "--brokers", "paper", "--param", "max_position_size=3", *validated)
    unvalidated = add("owners_hybrid", "--signals-only")
    lenient = ("--param", "minimum_confidence=0.5")
    accepted = add("owners_hybrid", "--signals-only", *validated, *lenient)
    rejected = add("owners_hybrid", "--signals-only", *validated)

    ticks = [row.tick for row in open_source(ibm_trades, Reading())]
    runner, risk, *_ = system.start("runner", "risk", "router", "paper", env=env)
    published = system.publish(ticks[:12_000])
    wait_for_ticks(system, published)
    # No snapshot and no warmup_ticks: all ticks so far are replayed.
    for worker in (runner, risk):
        assert worker.stop() == 0
    runner, _ = system.start("runner", "risk", env=env)
    published += system.publish(ticks[12_000:])
    system.wait_until_settled(published)
    assert "rebuilt by replay of 48000 ticks" in runner.log.read_text()

    live: dict[str, Counter[str]] = {}
    for signal in system.values("signals"):
        live.setdefault(signal.strategy_id, Counter())[str(signal.signal_type)] += 1
    assert live == {rules: RULES, unvalidated: HYBRID, accepted: HYBRID}

    refused: dict[Stage, list[Any]] = {Stage.RUNNER: [], Stage.RISK: []}
    for rejection in system.values("rejections"):
        refused[rejection.stage].append(rejection)
    assert {(r.strategy_id, r.code, r.reason) for r in refused[Stage.RUNNER]} == {
        (
            rejected,
            RejectionCode.INVALID_SIGNAL,
            "validator owners_validator (MinimumConfidence) returned False",
        )
    }
    assert len({r.signal_id for r in refused[Stage.RUNNER]}) == 6_833
    assert {(r.strategy_id, r.code) for r in refused[Stage.RISK]} == {
        (rules, RejectionCode.POSITION_EXCEEDS_MAXIMUM)
    }
    assert all("the strategy's max_position_size of 3" in r.reason for r in refused[Stage.RISK])
    assert len(refused[Stage.RISK]) + len(system.values("orders")) == sum(RULES.values())
    assert largest_position(system.values("executions")) == 3

    verified = json.loads(panda("replay", "--verify-live", "--json"))
    assert (verified["equal"], verified["ticks"]) == (True, 24_293)

    for number, jobs in enumerate(("1", "2")):
        said = tmp_path / f"said-{number}"
        panda("replay", "--output", str(said), "--jobs", jobs, "--json")
        backtest: dict[str, Counter[str]] = {}
        for row in pq.read_table(said / "signals.parquet").to_pylist():
            backtest.setdefault(row["strategy_id"], Counter())[row["signal_type"]] += 1
        assert backtest == live


def largest_position(executions: list[Any]) -> int:
    position, largest = 0, 0
    for execution in executions:
        position += execution.signed_quantity
        largest = max(largest, abs(position))
    return largest
