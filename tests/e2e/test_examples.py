"""The strategies and the validator in ``examples``: live, across a restart, in a backtest."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import RejectionCode
from algo_panda.ingest.opening import Reading, open_source
from tests.e2e.test_replay import wait_for_ticks
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

EXAMPLES = Path(__file__).parents[2] / "examples"
ENVIRONMENT = {
    "PANDA_PROCESSORS": json.dumps(
        {name: f"{name}.create_processor" for name in ("breakout", "rising_closes")}
    ),
    "PANDA_VALIDATORS": json.dumps({"price_ceiling": "price_ceiling.create_validator"}),
    "PANDA_STRATEGIES_PATH": str(EXAMPLES),
}


def breakouts(ticks: list[MarketTick], lookback: int) -> list[int]:
    prices = [tick.last_price for tick in ticks]
    return [
        at for at in range(lookback, len(prices)) if prices[at] > max(prices[at - lookback : at])
    ]


def rising_closes(ticks: list[MarketTick], seconds: int, rises: int) -> list[int]:
    """Ticks in order of time, each of a bar; the first tick behind a bar closes it."""
    bar_of = [tick.event_time_us // (seconds * 1_000_000) for tick in ticks]
    assert bar_of == sorted(bar_of)
    firsts = [at for at in range(1, len(ticks)) if bar_of[at] != bar_of[at - 1]]
    closes = [ticks[at - 1].last_price for at in firsts]
    return [
        firsts[n]
        for n in range(rises, len(closes))
        if all(closes[m] > closes[m - 1] for m in range(n - rises + 1, n + 1))
    ]


def test_the_examples_run_live_and_in_a_backtest(
    system: System, ibm_trades: Path, tmp_path: Path
) -> None:
    def panda(*arguments: str) -> str:
        done = system.panda(*arguments, env=ENVIRONMENT, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def add(strategy_type: str, *options: str) -> str:
        where = ("--instruments", "1001", "--signals-only")
        return panda("strategies", "add", strategy_type, *where, *options)

    ceiling = ("--validator", "price_ceiling", "--param", "max_price=182.68")
    above = add("breakout", "--param", "lookback=50")
    below = add("breakout", "--param", "lookback=50", *ceiling)
    bars = add("rising_closes", "--param", "rises=2", "--param", "bar_seconds=30", *ceiling[:2])

    ticks = [row.tick for row in open_source(ibm_trades, Reading())][:8_000]
    (runner,) = system.start("runner", env=ENVIRONMENT)
    published = system.publish(ticks[:5_000])
    wait_for_ticks(system, published)
    assert runner.stop() == 0
    system.start("runner", env=ENVIRONMENT)
    published += system.publish(ticks[5_000:])
    wait_for_ticks(system, published)

    signals = system.values("signals")
    emitted = {
        strategy: [s.tick_offset for s in signals if s.strategy_id == strategy]
        for strategy in (above, below, bars)
    }
    found = breakouts(ticks, 50)
    low = [at for at in found if ticks[at].last_price <= Decimal("182.68")]
    assert 0 < len(low) < len(found)
    expected = {above: found, below: low, bars: rising_closes(ticks, 30, 2)}
    assert len(expected[bars]) > 5
    assert emitted == expected
    rejections: list[Any] = system.values("rejections")
    assert {(r.strategy_id, r.code) for r in rejections} == {(below, RejectionCode.INVALID_SIGNAL)}
    assert sorted({*low, *(r.tick_offset for r in rejections)}) == found

    verified = json.loads(panda("replay", "--verify-live", "--json"))
    assert (verified["equal"], verified["ticks"]) == (True, 8_000)
    said = tmp_path / "said"
    panda("replay", "--output", str(said), "--json")
    rows = pq.read_table(said / "signals.parquet").to_pylist()
    assert {(r["signal_id"], r["strategy_id"]) for r in rows} == {
        (s.signal_id, s.strategy_id) for s in signals
    }
