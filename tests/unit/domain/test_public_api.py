"""What ``from app import ...`` offers: a promise to people whose code we never see."""

import json
import subprocess
import sys

import pytest

import app

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
    "StrategyProcessor",
    "StrategyValidator",
    "TradingSignal",
    "Violation",
}


def test_these_names_are_exported_and_no_others():
    assert set(app.__all__) == EXPORTED


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_every_exported_name_is_there_under_its_own_name(name):
    assert getattr(app, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'app' has no attribute 'SignalProducer'"):
        app.SignalProducer  # type: ignore[attr-defined]  # noqa: B018


def test_writing_a_strategy_loads_neither_kafka_nor_anything_else_from_outside():
    code = (
        "import json, sys; before = set(sys.modules);"
        "from app import StrategyProcessor, MarketTick, SignalResult;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(run.stdout))
    outside = loaded - set(sys.stdlib_module_names) - {"app__mypyc"}  # where it is compiled
    assert outside == {"app", "mypy_extensions"}
