"""Every check at its limit, just below it and just above."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.signals import SignalType
from algo_panda.domain.trading import RejectionCode, TradingState
from algo_panda.risk.checks import (
    CHECKS,
    Exposure,
    RiskInput,
    RiskLimits,
    notional_is_positive_and_within_limit,
    position_stays_within_limit,
    quantity_is_positive_and_within_limit,
    trading_is_not_halted,
)
from tests.unit.fakes.values import signal

LIMITS = RiskLimits(max_quantity=100, max_notional=Decimal("1000.50"), max_position=50)
BUY, SELL = SignalType.BUY, SignalType.SELL


def asked(
    exposure: Exposure | None = None,
    trading_state: TradingState = TradingState.ACTIVE,
    **changes: Any,
) -> RiskInput:
    return RiskInput(
        signal=(given := signal(**changes)),
        broker="paper",
        account="A1",
        exposure=exposure or Exposure(),
        limits=LIMITS,
        strategy_limit=None,
        trading_state=trading_state,
        now_us=given.event_time_us,
        appended_us=0,
    )


@pytest.mark.parametrize(
    ("quantity", "code", "reason"),
    [
        (-1, RejectionCode.INVALID_QUANTITY, "quantity -1 is not positive"),
        (0, RejectionCode.INVALID_QUANTITY, "quantity 0 is not positive"),
        (1, None, None),
        (99, None, None),
        (100, None, None),
        (
            101,
            RejectionCode.QUANTITY_EXCEEDS_MAXIMUM,
            "quantity 101 is above the maximum of 100 per order",
        ),
    ],
)
def test_a_quantity_is_positive_and_at_most_the_maximum(quantity, code, reason):
    violation = quantity_is_positive_and_within_limit(asked(quantity=quantity))
    assert (violation and violation.code, violation and violation.reason) == (code, reason)


@pytest.mark.parametrize(
    ("quantity", "price", "code", "reason"),
    [
        (10, "-1", RejectionCode.INVALID_NOTIONAL, "notional -10 is not positive"),
        (10, "0", RejectionCode.INVALID_NOTIONAL, "notional 0 is not positive"),
        (1, "0.00000001", None, None),
        (1, "1000.49999999", None, None),
        (10, "100.05", None, None),
        (
            1,
            "1000.50000001",
            RejectionCode.NOTIONAL_EXCEEDS_MAXIMUM,
            "notional 1000.50000001 is above the maximum of 1000.5 per order",
        ),
    ],
)
def test_a_notional_is_positive_and_at_most_the_maximum(quantity, price, code, reason):
    given_input = asked(quantity=quantity, price=Decimal(price))
    violation = notional_is_positive_and_within_limit(given_input)
    assert (violation and violation.code, violation and violation.reason) == (code, reason)


@pytest.mark.parametrize(
    ("side", "quantity", "exposure", "passes"),
    [
        (BUY, 49, Exposure(), True),
        (BUY, 50, Exposure(), True),
        (BUY, 51, Exposure(), False),
        (SELL, 50, Exposure(), True),
        (SELL, 51, Exposure(), False),
        (BUY, 10, Exposure(position=40), True),
        (BUY, 11, Exposure(position=40), False),
        (SELL, 90, Exposure(position=40), True),
        (SELL, 91, Exposure(position=40), False),
        # working orders on the order's own side count in full,
        (BUY, 10, Exposure(working_buys=40), True),
        (BUY, 11, Exposure(working_buys=40), False),
        (SELL, 10, Exposure(working_sells=40), True),
        (SELL, 11, Exposure(working_sells=40), False),
        (BUY, 5, Exposure(position=20, working_buys=25), True),
        (BUY, 6, Exposure(position=20, working_buys=25), False),
        # and those on the other side do not help: they may never be filled.
        (BUY, 10, Exposure(position=40, working_sells=40), True),
        (BUY, 11, Exposure(position=40, working_sells=40), False),
        (SELL, 11, Exposure(position=-40, working_buys=40), False),
        # From beyond a limit that was lowered, only towards zero,
        (SELL, 10, Exposure(position=90), True),
        (BUY, 10, Exposure(position=-90), True),
        (BUY, 1, Exposure(position=90), False),
        (SELL, 1, Exposure(position=-90), False),
        # as far as the limit on the other side, and no farther.
        (SELL, 90, Exposure(position=90), True),
        (SELL, 140, Exposure(position=90), True),
        (SELL, 141, Exposure(position=90), False),
        (SELL, 175, Exposure(position=90), False),
        (SELL, 10, Exposure(position=90, working_sells=131), False),
        (BUY, 141, Exposure(position=-90), False),
    ],
)
def test_the_worst_position_is_at_most_the_maximum(side, quantity, exposure, passes):
    violation = position_stays_within_limit(asked(exposure, signal_type=side, quantity=quantity))
    assert (violation is None) == passes
    assert passes or violation.code is RejectionCode.POSITION_EXCEEDS_MAXIMUM


def test_a_refused_position_says_what_it_would_become():
    violation = position_stays_within_limit(
        asked(Exposure(position=20, working_buys=25), quantity=6)
    )
    assert violation is not None
    assert violation.reason == "position would become 51 (held 20), beyond the maximum of 50"


positions = st.integers(min_value=-120, max_value=120)
units = st.integers(min_value=0, max_value=120)


@given(st.sampled_from([BUY, SELL]), units, positions, units, units, st.data())
def test_whichever_working_orders_are_filled_the_limit_holds_or_is_come_nearer_to(
    side, quantity, position, buys, sells, data
):
    exposure = Exposure(position=position, working_buys=buys, working_sells=sells)
    given_input = asked(exposure, signal_type=side, quantity=quantity)
    if position_stays_within_limit(given_input) is not None:
        return
    own = buys if side is BUY else sells
    filled = data.draw(st.integers(0, own)) + quantity
    after = position + (filled if side is BUY else -filled)
    assert abs(after) <= max(LIMITS.max_position, abs(position))
    if abs(position) > LIMITS.max_position:
        assert abs(after) <= abs(position)


@pytest.mark.parametrize(
    ("state", "side", "quantity", "exposure", "passes"),
    [
        (TradingState.ACTIVE, BUY, 10, Exposure(), True),
        (TradingState.HALTED, BUY, 10, Exposure(), False),
        (TradingState.HALTED, SELL, 10, Exposure(position=50), False),
        (TradingState.REDUCING, BUY, 10, Exposure(), False),
        (TradingState.REDUCING, SELL, 10, Exposure(), False),
        (TradingState.REDUCING, BUY, 1, Exposure(position=50), False),
        (TradingState.REDUCING, SELL, 1, Exposure(position=50), True),
        (TradingState.REDUCING, SELL, 50, Exposure(position=50), True),
        (TradingState.REDUCING, SELL, 51, Exposure(position=50), False),
        (TradingState.REDUCING, BUY, 50, Exposure(position=-50), True),
        (TradingState.REDUCING, BUY, 51, Exposure(position=-50), False),
        (TradingState.REDUCING, SELL, 20, Exposure(position=50, working_sells=30), True),
        (TradingState.REDUCING, SELL, 21, Exposure(position=50, working_sells=30), False),
        (TradingState.REDUCING, BUY, 10, Exposure(position=50, working_sells=90), False),
    ],
)
def test_the_kill_switch_lets_pass_nothing_or_only_what_reduces(
    state, side, quantity, exposure, passes
):
    violation = trading_is_not_halted(asked(exposure, state, signal_type=side, quantity=quantity))
    assert (violation is None) == passes
    if violation is not None:
        assert violation.code is RejectionCode.TRADING_HALTED
        assert violation.reason == f"trading on account A1 is {state.value}"


def test_the_age_is_checked_first_and_the_position_last():
    assert [check.__name__ for check in CHECKS] == [
        "signal_has_not_expired",
        "trading_is_not_halted",
        "quantity_is_positive_and_within_limit",
        "notional_is_positive_and_within_limit",
        "position_stays_within_limit",
    ]
