"""Each rule alone: what it lets pass, what it refuses, and how it says so."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import from_raw
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.domain.trading import RejectionCode
from algo_panda.validation import checks
from tests.unit.fakes.values import changed

AT = datetime(2024, 3, 1, 10, tzinfo=UTC)
TICK = MarketTick.of(instrument_token=1, event_time=AT, last_price="100")
GOOD = SignalResult(
    signal_type=SignalType.BUY, confidence=0.8, quantity=10, price=Decimal(100), reasoning=None
)


def signal(**changes: Any) -> SignalResult:
    return changed(GOOD, **changes)


def test_a_type_that_is_none_of_ours_is_refused():
    odd = signal()._replace(signal_type="SHORT")
    violation = checks.known_type(odd, TICK)
    assert violation is not None
    assert violation.code is RejectionCode.INVALID_SIGNAL_TYPE
    assert violation.reason == "signal type 'SHORT' is not one of BUY, SELL, HOLD"
    assert checks.known_type(GOOD, TICK) is None


@pytest.mark.parametrize("confidence", [float("nan"), -0.01, 100.5, float("inf"), -float("inf")])
def test_a_confidence_out_of_range_is_refused(confidence):
    violation = checks.confidence_in_range(signal(confidence=confidence), TICK)
    assert violation is not None
    assert violation.code is RejectionCode.INVALID_CONFIDENCE
    assert str(confidence) in violation.reason


@pytest.mark.parametrize("confidence", [0, 0.0, 0.5, 1, 1.0, 55, 100])
def test_a_confidence_in_range_or_in_percent_passes(confidence):
    assert checks.confidence_in_range(signal(confidence=confidence), TICK) is None


@pytest.mark.parametrize("quantity", [0, -1, 1.5, True, "3", None, 2**63])
def test_a_quantity_that_is_no_positive_whole_number_is_refused(quantity):
    violation = checks.positive_quantity(signal(quantity=quantity), TICK)
    assert violation is not None
    assert violation.code is RejectionCode.INVALID_QUANTITY
    assert repr(quantity) in violation.reason


def test_a_hold_may_be_of_nothing_and_no_other_signal_may():
    hold = signal(signal_type=SignalType.HOLD, quantity=0)
    assert checks.positive_quantity(hold, TICK) is None
    for odd in (-1, False, 0.0, Decimal(0)):
        assert checks.positive_quantity(hold._replace(quantity=odd), TICK) is not None


@pytest.mark.parametrize(
    "price",
    [
        Decimal(0),
        Decimal(-1),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1E+999999"),
        Decimal("1E+900000"),
        Decimal("0.000000001"),
        100.0,
        100,
        None,
    ],
)
def test_a_price_that_cannot_stand_is_refused(price):
    violation = checks.positive_price(signal(price=price), TICK)
    assert violation is not None
    assert violation.code is RejectionCode.INVALID_PRICE
    assert len(violation.reason) < 100


def test_of_what_makes_a_signal_well_formed_the_first_rule_broken_is_told():
    assert checks.well_formed(GOOD, TICK) is None
    broken = GOOD._replace(confidence=2.0, quantity=0, price=Decimal(0), signal_type="SHORT")
    told: list[RejectionCode] = []
    for name in ("signal_type", "confidence", "quantity", "price"):
        violation = checks.well_formed(broken, TICK)
        assert violation is not None
        told.append(violation.code)
        broken = broken._replace(**{name: getattr(GOOD, name)})
    assert checks.well_formed(broken, TICK) is None
    assert told == [
        RejectionCode.INVALID_SIGNAL_TYPE,
        RejectionCode.INVALID_CONFIDENCE,
        RejectionCode.INVALID_QUANTITY,
        RejectionCode.INVALID_PRICE,
    ]


@pytest.mark.parametrize(("price", "passes"), [("95", 1), ("105", 1), ("94.99999999", 0)])
def test_the_band_includes_its_ends(price, passes):
    check = checks.price_near_tick(Decimal("0.05"))
    assert (check(signal(price=Decimal(price)), TICK) is None) == bool(passes)


def test_a_price_outside_the_band_is_named_with_the_numbers_compared():
    violation = checks.price_near_tick(Decimal("0.05"))(signal(price=Decimal("105.01")), TICK)
    assert violation is not None
    assert violation.code is RejectionCode.PRICE_OUTSIDE_BAND
    assert violation.reason == "price 105.01 is more than 5 % away from the tick's 100"


raw_prices = st.integers(min_value=1, max_value=10**18 - 1)


@given(
    price=raw_prices,
    at=raw_prices,
    deviation=st.decimals(min_value=0, max_value=1, places=6),
)
def test_the_band_is_decided_exactly(price, at, deviation):
    tick = MarketTick(1, 0, at)
    found = checks.price_near_tick(deviation)(signal(price=from_raw(price)), tick)
    assert (found is None) == (abs(price - at) * 10**6 <= int(deviation * 10**6) * at)


def test_confidence_below_the_least_is_refused():
    check = checks.min_confidence(0.75)
    assert check(signal(confidence=0.75), TICK) is None
    violation = check(signal(confidence=0.7499), TICK)
    assert violation is not None
    assert violation.code is RejectionCode.CONFIDENCE_TOO_LOW
    assert violation.reason == "confidence 0.7499 is below 0.75"


def test_a_quantity_above_the_most_is_refused():
    check = checks.max_quantity(10)
    assert check(GOOD, TICK) is None
    violation = check(signal(quantity=11), TICK)
    assert violation is not None
    assert violation.code is RejectionCode.QUANTITY_EXCEEDS_MAXIMUM


def test_a_notional_above_the_most_is_refused():
    assert checks.max_notional(Decimal(1000))(GOOD, TICK) is None
    violation = checks.max_notional(Decimal("999.99"))(GOOD, TICK)
    assert violation is not None
    assert violation.code is RejectionCode.NOTIONAL_EXCEEDS_MAXIMUM
    assert violation.reason == "notional 1000 is above 999.99"


@pytest.mark.parametrize(("late", "passes"), [(-1, 1), (0, 1), (5, 1), (5.000001, 0), (3600, 0)])
def test_a_tick_too_old_when_received_is_refused(late, passes):
    tick = MarketTick.of(
        instrument_token=1,
        event_time=AT,
        last_price=100,
        received_time=AT + timedelta(seconds=late),
    )
    violation = checks.max_tick_age(Decimal(5))(GOOD, tick)
    assert (violation is None) == bool(passes)
    if violation is not None:
        assert violation.code is RejectionCode.TICK_TOO_OLD
        assert "more than 5 s" in violation.reason


def test_a_tick_whose_receipt_is_unknown_has_no_age_to_judge():
    assert checks.max_tick_age(Decimal(5))(GOOD, TICK) is None
