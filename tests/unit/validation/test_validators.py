"""``standard`` and ``strict_risk`` as the factory makes them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.domain.trading import RejectionCode
from algo_panda.validation import standard, strict_risk
from tests.unit.fakes.values import changed

AT = datetime(2024, 3, 1, 10, tzinfo=UTC)
TICK = MarketTick.of(instrument_token=1, event_time=AT, last_price="100", received_time=AT)
GOOD = SignalResult(
    signal_type=SignalType.SELL, confidence=0.75, quantity=10_000, price=Decimal(100)
)


def config(**validation: Any) -> StrategyConfig:
    return StrategyConfig(
        id=UUID(int=1),
        strategy_type="mine",
        instruments=(1,),
        parameters={"validation": validation},
    )


def codes(validator: Any, *signals: SignalResult) -> list[RejectionCode | None]:
    found = [validator.validate_signal(signal, TICK) for signal in signals]
    return [None if one is None else one.code for one in found]


STANDARD_CASES = {
    None: GOOD,
    RejectionCode.INVALID_CONFIDENCE: changed(GOOD, confidence=float("nan")),
    RejectionCode.INVALID_QUANTITY: changed(GOOD, quantity=0),
    RejectionCode.INVALID_PRICE: changed(GOOD, price=Decimal(0)),
    RejectionCode.PRICE_OUTSIDE_BAND: changed(GOOD, price=Decimal("94.9")),
}


def test_standard_refuses_each_fault_by_its_code():
    validator = standard.create_validator(config())
    assert codes(validator, *STANDARD_CASES.values()) == list(STANDARD_CASES)


def test_strict_risk_refuses_what_standard_refuses_and_more():
    validator = strict_risk.create_validator(config())
    assert codes(validator, *STANDARD_CASES.values()) == list(STANDARD_CASES)
    assert codes(
        validator,
        changed(GOOD, confidence=0.74),
        changed(GOOD, quantity=10_001, price=Decimal(99)),
        changed(GOOD, price=Decimal("100.01")),
    ) == [
        RejectionCode.CONFIDENCE_TOO_LOW,
        RejectionCode.QUANTITY_EXCEEDS_MAXIMUM,
        RejectionCode.NOTIONAL_EXCEEDS_MAXIMUM,
    ]


def test_strict_risk_refuses_a_signal_on_an_old_tick():
    validator = strict_risk.create_validator(config())
    received = AT + timedelta(seconds=6)
    tick = MarketTick.of(
        instrument_token=1, event_time=AT, last_price="100", received_time=received
    )
    violation = validator.validate_signal(GOOD, tick)
    assert violation is not None
    assert violation.code is RejectionCode.TICK_TOO_OLD


def test_parameters_of_the_row_move_the_limits():
    wide = standard.create_validator(config(max_price_deviation=0.2))
    assert codes(wide, changed(GOOD, price=Decimal(81))) == [None]
    strict = strict_risk.create_validator(
        config(
            max_price_deviation="0.2",
            min_confidence=0.1,
            max_quantity=20_000,
            max_notional="3000000.5",
            max_tick_age_seconds=0.5,
        )
    )
    odd = changed(GOOD, confidence=0.1, quantity=20_000, price=Decimal(110))
    assert codes(strict, odd) == [None]


BAD_PARAMETERS = [
    (standard, {"max_price_deviation": -1}, "parameter validation.max_price_deviation is -1"),
    (standard, {"max_price_deviation": "wide"}, "should be a valid decimal"),
    (
        standard,
        {"min_confidence": 0.5},
        "unknown parameter 'validation.min_confidence'; known: max_price_deviation",
    ),
    (strict_risk, {"min_confidence": 1.5}, "parameter validation.min_confidence is 1.5"),
    (strict_risk, {"max_quantity": 0}, "parameter validation.max_quantity is 0"),
    (strict_risk, {"max_notional": 0}, "parameter validation.max_notional is 0"),
    (strict_risk, {"max_tick_age_seconds": "NaN"}, "parameter validation.max_tick_age_seconds"),
]


@pytest.mark.parametrize(("module", "validation", "message"), BAD_PARAMETERS)
def test_a_bad_parameter_is_refused_in_one_line_that_names_it(module, validation, message):
    with pytest.raises(ValueError, match=message) as caught:
        module.create_validator(config(**validation))
    assert "\n" not in str(caught.value)
    (problem,) = module.create_validator(config()).validate_configuration(config(**validation))
    assert message in problem


def test_every_bad_parameter_is_reported():
    problems = strict_risk.create_validator(config()).validate_configuration(
        config(max_quantity=0, max_notional=0, wrong=1)
    )
    assert len(problems) == 3


@pytest.mark.parametrize("module", [standard, strict_risk])
def test_a_good_configuration_has_no_problems(module):
    assert module.create_validator(config()).validate_configuration(config()) == ()
