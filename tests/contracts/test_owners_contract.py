"""Strategies and a validator in the owner's form, unchanged, and ours: the same by both forms."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from algo_panda import MarketTick, SignalResult, SignalType, StrategyProcessor
from algo_panda.bootstrap import build_factory
from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.history import HistoryBuffer
from algo_panda.domain.outcome import Refused
from algo_panda.domain.trading import RejectionCode
from algo_panda.ingest.opening import Reading, open_source
from algo_panda.settings import Settings
from algo_panda.strategies import hybrid_ml_rsi, ml_momentum, rules_rsi

TOKEN = 1001
STRATEGY_ID = "0b0d6c5e-6f4e-4c57-9a5c-000000000001"

OURS: Mapping[str, Callable[[StrategyConfig, ExecutionContext], StrategyProcessor]] = {
    "rules_rsi": rules_rsi.create_processor,
    "ml_momentum": ml_momentum.create_processor,
    "hybrid_ml_rsi_filter": hybrid_ml_rsi.create_processor,
}
TALKATIVE = {
    "ml_momentum": {"min_probability": 0.4},
    "hybrid_ml_rsi_filter": {"min_probability": 0},
}
OWNERS = ("rules_rsi", "hybrid_ml_rsi")


def load(folder: Path, name: str) -> ModuleType:
    """The module in a file of the owner's, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"owners_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ticks(ibm_trades: Path) -> list[MarketTick]:
    found = [row.tick for row in open_source(ibm_trades, Reading())]
    assert len(found) == 24_293
    assert {tick.instrument_token for tick in found} == {TOKEN}
    return found


def known_types() -> StrategyFactory:
    return build_factory(Settings(_env_file=None))


def outcomes(
    factory: StrategyFactory,
    strategy_type: str,
    ticks: Sequence[MarketTick],
    parameters: Mapping[str, Any] | None = None,
    validator_type: str | None = None,
) -> list[SignalResult | Refused | None]:
    """What a strategy emits on every tick."""
    executor = factory.create_strategy(
        strategy_id=STRATEGY_ID,
        strategy_type=strategy_type,
        parameters=parameters or {},
        brokers=["paper"],
        instrument_tokens=[TOKEN],
        validator_type=validator_type,
    )
    size = executor.capabilities.history_size
    history = HistoryBuffer(size)
    found = []
    for tick in ticks:
        found.append(executor.process_tick(tick, history.last(size)))
        history.append(tick)
    return found


def signals(found: Sequence[SignalResult | Refused | None]) -> list[tuple[int, SignalResult]]:
    assert not [one for one in found if isinstance(one, Refused)]
    return [(at, one) for at, one in enumerate(found) if isinstance(one, SignalResult)]


@pytest.mark.parametrize("strategy_type", OURS)
def test_each_of_ours_emits_the_same_by_both_forms(
    strategy_type: str, ticks: list[MarketTick]
) -> None:
    create = OURS[strategy_type]
    parameters = {**TALKATIVE.get(strategy_type, {}), "max_position_size": 5, "risk_multiplier": 2}

    def create_processor(given: dict[str, Any]) -> StrategyProcessor:
        assert given == parameters
        executor = known_types().create_strategy(STRATEGY_ID, strategy_type, given, [], [TOKEN])
        return create(executor.config, executor.context)

    factory = known_types().register_processor("of_parameters", create_processor)
    expected = signals(outcomes(factory, strategy_type, ticks, parameters))
    assert len(expected) > 50
    assert signals(outcomes(factory, "of_parameters", ticks, parameters)) == expected


@pytest.mark.parametrize("name", OWNERS)
def test_each_of_the_owners_emits_the_same_by_both_forms(
    name: str, ticks: list[MarketTick], owners_modules: Path
) -> None:
    module = load(owners_modules, name)
    parameters = {"period": 9, "lower": 25, "upper": 75.5}

    def create_processor(config: StrategyConfig, context: ExecutionContext) -> StrategyProcessor:
        assert context.instrument_token == TOKEN
        processor: StrategyProcessor = module.create_processor(config.processor_parameters)
        return processor

    factory = known_types().register_processor("owners", module.create_processor)
    factory.register_processor("of_config", create_processor)
    expected = signals(outcomes(factory, "owners", ticks, parameters))
    assert len(expected) > 1_000
    assert signals(outcomes(factory, "of_config", ticks, parameters)) == expected


def test_the_owners_strategies_emit_what_the_owners_code_says(
    ticks: list[MarketTick], owners_modules: Path
) -> None:
    factory = known_types()
    counts = {}
    for name in OWNERS:
        module = load(owners_modules, name)
        factory.register_processor(f"owners_{name}", module.create_processor)
        through_us = signals(outcomes(factory, f"owners_{name}", ticks))
        alone = module.create_processor({})
        past: list[MarketTick] = []
        expected = [(at, alone.process_tick(tick, past)) for at, tick in enumerate(ticks)]
        assert through_us == [(at, said) for at, said in expected if said is not None]
        counts[name] = Counter(str(said.signal_type) for _, said in through_us)
    assert counts == {
        "rules_rsi": {"BUY": 3_316, "SELL": 3_517},
        "hybrid_ml_rsi": {"BUY": 6_833},
    }


def exact_rsi(ticks: Sequence[MarketTick], period: int) -> list[Fraction | None]:
    """Cutler's RSI at every tick, exact; 100 without a fall."""
    prices = [Fraction(tick.last_price) for tick in ticks]
    changes = [after - before for before, after in pairwise(prices)]
    found: list[Fraction | None] = [None] * period
    for at in range(period, len(prices)):
        window = changes[at - period : at]
        gain = sum((change for change in window if change > 0), Fraction(0))
        loss = -sum((change for change in window if change < 0), Fraction(0))
        found.append(Fraction(100) * gain / (gain + loss) if loss else Fraction(100))
    return found


@pytest.mark.parametrize(
    ("period", "lower", "upper"), [(14, 30, 70), (5, 20, 80), (3, 50, 50), (21, 40, 60)]
)
def test_the_owners_rsi_and_ours_differ_only_where_the_rsi_is_a_threshold(
    ticks: list[MarketTick], owners_modules: Path, period: int, lower: int, upper: int
) -> None:
    parameters = {"period": period, "lower": lower, "upper": upper}
    factory = known_types().register_processor(
        "owners", load(owners_modules, "rules_rsi").create_processor
    )
    found = [
        [
            one and one._replace(reasoning=None)  # worded differently
            for one in outcomes(factory, strategy_type, ticks, given)
            if not isinstance(one, Refused)
        ]
        for strategy_type, given in (
            ("owners", parameters),
            ("rules_rsi", {**parameters, "flat_rsi": 100}),
        )
    ]
    owners, ours = found
    assert len(owners) == len(ours) == len(ticks)
    rsi = exact_rsi(ticks, period)
    on_a_threshold = {at for at, value in enumerate(rsi) if value in {lower, upper}}
    differing = {at for at in range(len(ticks)) if owners[at] != ours[at]}
    assert differing <= on_a_threshold
    for at in range(len(ticks)):
        value = rsi[at]
        side = None
        if value is not None and value < lower:
            side = SignalType.BUY
        elif value is not None and value > upper:
            side = SignalType.SELL
        assert (ours[at] and ours[at].signal_type) == side
        if at in differing:
            # Rounding puts a float beyond a threshold that the exact value is equal to.
            assert owners[at] is not None
    if (period, lower, upper) == (14, 30, 70):
        assert differing
        assert sum(one is not None for one in ours) > 6_000


def test_the_owners_validator_judges_ours_and_theirs(
    ticks: list[MarketTick], owners_modules: Path
) -> None:
    factory = known_types().register_processor(
        "owners", load(owners_modules, "hybrid_ml_rsi").create_processor
    )
    factory.register_validator(
        "minimum", load(owners_modules, "bool_validator").create_standard_validator
    )
    few = ticks[:2_000]
    for strategy_type, parameters in (("owners", {}), ("rules_rsi", {"confidence": 0.55})):
        every = signals(outcomes(factory, strategy_type, few, parameters))
        judged = outcomes(factory, strategy_type, few, parameters, "minimum")
        refused = [(at, one) for at, one in enumerate(judged) if isinstance(one, Refused)]
        assert [(at, one.result) for at, one in refused] == every
        assert len(every) > 100
        for _, one in refused:
            assert one.violation.code is RejectionCode.INVALID_SIGNAL
            assert one.violation.reason == "validator minimum (MinimumConfidence) returned False"
    lenient = {"minimum_confidence": 0.5}
    assert signals(outcomes(factory, "owners", few, lenient, "minimum")) == signals(
        outcomes(factory, "owners", few)
    )
    with pytest.raises(
        ValueError, match="MinimumConfidence rejects the parameters: validate_configuration"
    ):
        outcomes(factory, "owners", few, {"minimum_confidence": 2}, "minimum")


def test_the_owners_hybrid_offers_what_it_has(owners_modules: Path) -> None:
    given = Capabilities.of(load(owners_modules, "hybrid_ml_rsi").create_processor({}))
    assert (given.load_model, given.extract_features, given.predict_signal) == (True, True, True)
    assert (given.snapshot, given.warmup, given.on_bar) == (False, False, False)
    assert given.warmup_ticks is None


def test_a_price_is_taken_by_float_and_by_decimal_of_its_text() -> None:
    tick = MarketTick(TOKEN, 1, 18_401_500_000)
    assert float(tick.last_price) == 184.015
    assert Decimal(str(tick.last_price)) == Decimal("184.015")


@pytest.mark.parametrize(
    ("confidence", "normalised"), [(0, 0), (0.7, 0.7), (1, 1), (70, 0.7), (100, 1), (1.5, 0.015)]
)
def test_a_result_is_made_by_position_and_by_name(confidence: float, normalised: float) -> None:
    by_name = SignalResult(
        signal_type="SELL", confidence=confidence, quantity=3, price=Decimal("9.5"), reasoning="so"
    )
    assert SignalResult("sell", confidence, 3, Decimal("9.5"), "so") == by_name
    assert by_name.signal_type is SignalType.SELL
    assert by_name.confidence == normalised
    assert SignalResult("BUY", 0.5, 1, Decimal(1)).reasoning is None
