"""What every validator must keep, run on the built-in ones and on a user's smallest one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.protocols import StrategyValidator
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.domain.trading import RejectionCode, Violation
from algo_panda.validation import standard, strict_risk
from tests.unit.fakes.values import changed


class OnlyBuys:
    """All that a user must write."""

    def validate_signal(self, signal: SignalResult, market_data: MarketTick) -> Violation | None:
        if signal.signal_type is SignalType.BUY:
            return None
        return Violation(code=RejectionCode.INVALID_SIGNAL_TYPE, reason="we only buy")

    def validate_configuration(self, config: StrategyConfig) -> tuple[str, ...]:
        return tuple(f"unknown parameter {name!r}" for name in config.validation)


@dataclass(frozen=True)
class Case:
    """A validator under test."""

    name: str
    create: Callable[[StrategyConfig], StrategyValidator]

    def make(self) -> StrategyValidator:
        return self.create(config())


def config(**validation: Any) -> StrategyConfig:
    return StrategyConfig(
        id=UUID(int=1),
        strategy_type="mine",
        instruments=(1,),
        parameters={"validation": validation},
    )


CASES = [
    Case("standard", standard.create_validator),
    Case("strict_risk", strict_risk.create_validator),
    Case("a user's own", lambda _config: OnlyBuys()),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
AT = datetime(2024, 3, 1, 10, tzinfo=UTC)
TICK = MarketTick.of(instrument_token=1, event_time=AT, last_price="99.95", received_time=AT)
GOOD = SignalResult(signal_type=SignalType.BUY, confidence=0.9, quantity=5, price=Decimal("99.95"))

signals = st.builds(
    SignalResult,
    signal_type=st.sampled_from(SignalType),
    confidence=st.floats() | st.integers() | st.decimals(allow_nan=False),
    quantity=st.integers() | st.floats() | st.none() | st.booleans(),
    price=st.decimals() | st.floats() | st.none() | st.just(Decimal("1E+400000")),
    reasoning=st.none() | st.text(),
)
ticks = st.builds(
    MarketTick,
    st.just(1),
    st.integers(min_value=0, max_value=2 * 10**15),
    st.integers(min_value=1, max_value=10**18 - 1),
    st.just(1),
    st.just(1),
    st.just(0) | st.integers(min_value=0, max_value=2 * 10**15),
)


@every_case
def test_a_good_signal_passes(case):
    assert case.make().validate_signal(GOOD, TICK) is None


@every_case
@given(signal=signals, tick=ticks)
def test_whatever_a_processor_says_it_answers_and_never_raises(case, signal, tick):
    answer = case.make().validate_signal(signal, tick)
    assert answer is None or (answer.code in RejectionCode and answer.reason)


@every_case
@given(signal=signals, tick=ticks)
def test_it_is_a_function_of_signal_and_tick_alone(case, signal, tick):
    validator = case.make()
    first = validator.validate_signal(signal, tick)
    validator.validate_signal(GOOD, TICK)
    assert validator.validate_signal(signal, tick) == first
    assert case.make().validate_signal(signal, tick) == first


@every_case
def test_a_good_configuration_has_no_problems_and_a_bad_one_a_sentence_each(case):
    validator = case.make()
    assert validator.validate_configuration(config()) == ()
    problems = validator.validate_configuration(config(first=1, second=2))
    assert len(problems) == 2
    assert all("\n" not in problem for problem in problems)


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.name)
@given(signal=signals, tick=ticks)
def test_what_the_built_in_ones_let_pass_can_become_a_record(case, signal, tick):
    if case.make().validate_signal(signal, tick) is None:
        assert 0 <= signal.confidence <= 1
        assert 0 <= signal.quantity < 2**63
        assert signal.quantity or signal.signal_type is SignalType.HOLD
        assert 0 < signal.price < 10**10


@given(signal=signals, tick=ticks)
def test_strict_risk_lets_nothing_pass_that_standard_refuses(signal, tick):
    if CASES[0].make().validate_signal(signal, tick) is not None:
        assert CASES[1].make().validate_signal(signal, tick) is not None


def test_a_price_on_the_tick_passes_whatever_the_tick():
    for cents in (1, 5, 99_999_999):
        tick = TICK._replace(price_raw=cents * 10**6)
        assert CASES[0].make().validate_signal(changed(GOOD, price=tick.last_price), tick) is None
