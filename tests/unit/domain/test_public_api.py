"""What ``from algo_panda import ...`` offers: a promise to people whose code we never see."""

import json
import subprocess
import sys

import pytest

import algo_panda

EXPORTED = {
    "Bar",
    "ExecutionContext",
    "IndicatorPool",
    "InferenceRequest",
    "MarketTick",
    "RejectionCode",
    "SharedIndicator",
    "SignalConsumer",
    "SignalResult",
    "SignalType",
    "StrategyConfig",
    "StrategyExecutor",
    "StrategyFactory",
    "StrategyProcessor",
    "StrategyValidator",
    "TradingSignal",
    "Violation",
}


def test_these_names_are_exported_and_no_others():
    assert set(algo_panda.__all__) == EXPORTED


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_every_exported_name_is_there_under_its_own_name(name):
    assert getattr(algo_panda, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'algo_panda' has no attribute 'SignalProducer'"):
        algo_panda.SignalProducer  # type: ignore[attr-defined]  # noqa: B018


def test_writing_a_strategy_loads_neither_kafka_nor_anything_else_from_outside():
    code = (
        "import json, sys; before = set(sys.modules);"
        "from algo_panda import StrategyProcessor, MarketTick, SignalResult;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(run.stdout))
    outside = loaded - set(sys.stdlib_module_names) - {"algo_panda__mypyc"}  # where it is compiled
    assert outside == {"algo_panda", "mypy_extensions"}
