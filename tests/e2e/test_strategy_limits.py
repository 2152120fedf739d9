"""``max_position_size`` of each version of a strategy, by risk's workers and by a backtest."""

import json
import signal
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.signals import SignalType
from algo_panda.domain.trading import RejectionCode
from tests.e2e.test_flow import rising
from tests.e2e.test_replay import wait_for_ticks
from tests.support.system import System
from tests.unit.fakes.values import changed

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

STRATEGY = StrategyConfig(
    id=UUID(int=1),
    strategy_type="rules_rsi",
    parameters={"period": 5, "max_position_size": 2},
    instruments=(1001,),
    active_brokers=("paper",),
)


def by_version(system: System) -> Mapping[int, tuple[int, int]]:
    """Orders and refusals by risk of each version."""
    version = {s.signal_id: s.strategy_version for s in system.values("signals")}
    ordered = [version[order.signal_id] for order in system.values("orders")]
    refused = []
    for rejection in system.values("rejections"):
        assert rejection.code is RejectionCode.POSITION_EXCEEDS_MAXIMUM
        assert "max_position_size" in rejection.reason
        refused.append(version[rejection.signal_id])
    return {n: (ordered.count(n), refused.count(n)) for n in sorted({*ordered, *refused})}


def backtest(system: System, folder: Path) -> tuple[set[Any], set[Any]]:
    """Ids of the signals that became orders, and of those that risk refused for their limit."""
    done = system.panda("replay", "--output", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    facts: Mapping[str, Any] = json.loads(done.stdout)
    assert facts["outcome"] == "complete"
    orders = pq.read_table(folder / "orders.parquet").to_pylist()
    rejections = pq.read_table(folder / "rejections.parquet").to_pylist()
    for rejection in rejections:
        assert rejection["reason"].endswith("beyond the strategy's max_position_size of 2")
    return {o["signal_id"] for o in orders}, {r["signal_id"] for r in rejections}


def test_every_version_keeps_its_own_limit_live_and_in_a_backtest(
    system: System, tmp_path: Path
) -> None:
    def change(**parameters: Any) -> None:
        with system.repository() as repository:
            repository.update_parameters(STRATEGY.id, {"period": 5, **parameters})

    system.add(STRATEGY)
    ticks = iter(rising(1001, 60))

    def publish(count: int) -> int:
        return system.publish(islice(ticks, count))

    (runner,) = system.start("runner")
    # A version emits from its sixth tick on: SELL 1.
    published = publish(5 + 15)
    wait_for_ticks(system, published)
    in_backtest = backtest(system, tmp_path / "first")

    # A row changes while its signals wait: they keep the limit of their version.
    assert runner.stop() == 0
    change(max_position_size=5)
    (runner,) = system.start("runner")
    published += publish(5 + 10)
    wait_for_ticks(system, published)
    risk, *_ = system.start("risk", "router", "paper")
    system.wait_until_settled(published)
    assert by_version(system) == {1: (2, 13), 2: (3, 7)}
    first_version = {s.signal_id for s in system.values("signals") if s.strategy_version == 1}
    assert in_backtest == (
        {o.signal_id for o in system.values("orders") if o.signal_id in first_version},
        {r.signal_id for r in system.values("rejections") if r.signal_id in first_version},
    )

    # Risk that is killed comes back to the same limits; what it has not seen yet it looks up.
    system.workers.remove(risk)
    risk.stop(signal.SIGKILL)
    (risk,) = system.start("risk")
    published += publish(3)
    system.wait_until_settled(published)
    assert by_version(system) == {1: (2, 13), 2: (3, 10)}
    assert runner.stop() == 0
    change()
    (runner,) = system.start("runner")
    published += publish(5 + 7)
    system.wait_until_settled(published)
    assert by_version(system) == {1: (2, 13), 2: (3, 10), 3: (7, 0)}

    # Back to a limit below what is held, and a version that nobody activated: only nearer to zero.
    assert runner.stop() == 0
    change(max_position_size=4)
    (runner,) = system.start("runner")
    published += publish(5 + 2)
    system.wait_until_settled(published)
    assert by_version(system) == {1: (2, 13), 2: (3, 10), 3: (7, 0), 4: (0, 2)}
    assert system.money_differences() == []
    last = system.values("signals")[-1]
    for number, (side, quantity) in enumerate([("SELL", 1), ("BUY", 30), ("BUY", 12)], start=1):
        made_up = changed(
            last,
            signal_id=f"{number:032x}",
            strategy_version=99,
            tick_offset=last.tick_offset + number,
            signal_type=SignalType(side),
            quantity=quantity,
        )
        system.send("signals", system.codecs.signals.encode(made_up), b"1001")
    system.wait_until_settled(published)
    of_nobody = [r for r in system.values("rejections") if "version 99" in r.reason]
    assert [r.signal_id for r in of_nobody] == [f"{n:032x}" for n in (1, 2)]
    assert "the topic activations has no record of it" in of_nobody[0].reason
    assert system.values("orders")[-1].signal_id == f"{3:032x}"
    system.is_settled = False  # the ids of these signals are not those of their ticks


def test_a_limit_that_is_invalid_is_refused_wherever_it_is_set(system: System) -> None:
    said = "max_position_size is 0, not a whole number above 0"
    add = ("strategies", "add", "rules_rsi", "--instruments", "1001")
    added = system.panda(*add, "--param", "max_position_size=0")
    assert (added.returncode, said in added.stderr) == (3, True)
    system.add(STRATEGY)
    for parameter, problem in (("max_position_size", said), ("bar_seconds", "bar_seconds is 0")):
        ran = system.panda("replay", "--set", f"{parameter}=0")
        assert (ran.returncode, problem in ran.stderr) == (3, True)
        assert "Traceback" not in ran.stderr
    swept = system.panda("replay", "--sweep", "max_position_size=0,1", "--json")
    assert swept.returncode == 0, swept.stderr
    assert said in swept.stdout
