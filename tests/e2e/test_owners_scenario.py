"""Three strategies from a database on the same instrument, on a day of real IBM trades."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.status import StrategyState
from tests.support.naive import naive_rsi_sides, next_tick_fills
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

RULES, MOMENTUM, HYBRID = (UUID(int=n) for n in (1, 2, 3))
MODEL = Path(__file__).parents[2] / "app" / "algo_panda" / "ml" / "models" / "momentum.onnx"
RSI = {"period": 14, "lower": 30, "upper": 70}


def three_strategies(model: Path) -> list[StrategyConfig]:
    parameters = {
        (RULES, "rules_rsi"): RSI,
        (MOMENTUM, "ml_momentum"): {"model_path": str(model)},
        (HYBRID, "hybrid_ml_rsi_filter"): {**RSI, "model_path": str(model)},
    }
    return [
        StrategyConfig(
            id=strategy_id,
            strategy_type=strategy_type,
            parameters=given,
            instruments=(1001,),
            active_brokers=("paper",),
            validator_type="standard",
        )
        for (strategy_id, strategy_type), given in parameters.items()
    ]


def test_all_three_strategies_trade_the_same_ticks(system: System, ibm_trades: Path) -> None:
    system.add(*three_strategies(MODEL))
    published = system.publish_file(ibm_trades)
    runner, *_ = system.start("runner", "risk", "router", "paper")
    system.wait_until_settled(published)

    assert published == 24_293
    states = {said.status.strategy_id: said.status.state for said in system.statuses()}
    assert states == dict.fromkeys((RULES, MOMENTUM, HYBRID), StrategyState.REGISTERED)
    assert runner.metric("panda_model_loads_total") == 2
    assert runner.metric("panda_model_loads_total", outcome="loaded") == 2
    assert runner.metric("panda_registered_strategies", has_model="true") == 2
    assert runner.metric("panda_registered_strategies", has_model="false") == 1
    assert runner.metric("panda_active_strategies", broker="paper") == 3
    for strategy_type in ("rules_rsi", "ml_momentum", "hybrid_ml_rsi_filter"):
        ticks = runner.metric("panda_process_tick_seconds_count", strategy_type=strategy_type)
        assert ticks == published

    signals = system.values("signals")
    by_strategy = Counter(signal.strategy_id for signal in signals)
    assert set(by_strategy) == {str(RULES), str(MOMENTUM), str(HYBRID)}
    orders, executions = system.values("orders"), system.values("executions")
    trades = [s for s in signals if s.signal_type != "HOLD"]
    assert [o.signal_id for o in orders] == [s.signal_id for s in trades]
    fills = [e for e in executions if e.status == "FILLED"]
    found = {f.client_order_id: (f.event_time, f.last_price) for f in fills}
    assert found == next_tick_fills(orders, system.records("ticks"))
    assert len(found) == len(fills) >= len(orders) - 3  # of each strategy, the last may wait
    assert system.records("rejections") == []


def test_rsi_signals_equal_an_independent_recomputation(system: System, ibm_trades: Path) -> None:
    system.add(*three_strategies(MODEL)[:1])
    published = system.publish_file(ibm_trades)
    system.start("runner")
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)

    ticks = system.values("ticks")
    expected = naive_rsi_sides([t.last_price for t in ticks], 14, Decimal(30), Decimal(70))
    signals = system.values("signals")
    assert len(signals) > 1_000
    assert [(s.tick_offset, s.signal_type, s.tick_price, s.event_time) for s in signals] == [
        (offset, side, ticks[offset].last_price, ticks[offset].event_time)
        for offset, side in expected
    ]
    assert len({s.signal_id for s in signals}) == len(signals)


def test_a_broken_model_disables_its_two_strategies_only(
    system: System, ibm_trades: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"this is no model")
    system.add(*three_strategies(broken))
    published = system.publish_file(ibm_trades)
    system.start("runner", "risk", "router", "paper")
    system.wait_until_settled(published)

    assert {s.strategy_id for s in system.values("signals")} == {str(RULES)}
    listed = system.panda("strategies", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    shown = listed.stdout
    assert shown.count("broken.onnx") >= 2
    states = {said.status.strategy_id: said.status for said in system.statuses()}
    assert states[RULES].state is StrategyState.REGISTERED
    for strategy_id in (MOMENTUM, HYBRID):
        assert states[strategy_id].state is StrategyState.DISABLED
        assert "broken.onnx" in (states[strategy_id].reason or "")
