"""Cutler's RSI against a naive recomputation in fractions."""

import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.indicators import CutlerRsi, Level, Zone

prices = st.lists(
    st.one_of(
        st.integers(min_value=18_150_000_000, max_value=18_150_000_004),  # ties and equalities
        st.integers(min_value=1, max_value=10**18 - 1),
    ),
    max_size=60,
)
periods = st.integers(min_value=1, max_value=20)
thresholds = st.decimals(min_value=0, max_value=100, places=2)


def naive_rsi(seen: list[int], period: int, flat_rsi: Decimal) -> Fraction | None:
    if len(seen) <= period:
        return None
    window = seen[-period - 1 :]
    changes = [after - before for before, after in itertools.pairwise(window)]
    gains = sum(change for change in changes if change > 0)
    losses = -sum(change for change in changes if change < 0)
    if gains + losses == 0:
        return Fraction(flat_rsi)
    return Fraction(100 * gains, gains + losses)


def naive_zone(rsi: Fraction, lower: Decimal, upper: Decimal) -> Zone:
    if rsi < Fraction(lower):
        return Zone.BELOW
    return Zone.ABOVE if rsi > Fraction(upper) else Zone.WITHIN


@given(prices=prices, period=periods, flat=thresholds, pair=st.tuples(thresholds, thresholds))
def test_it_equals_a_naive_recomputation_at_every_tick(prices, period, flat, pair):
    lower, upper = sorted(pair)
    rsi = CutlerRsi(period=period, flat_rsi=flat)
    for seen in range(1, len(prices) + 1):
        ready = rsi.update(prices[seen - 1])
        expected = naive_rsi(prices[:seen], period, flat)
        assert ready == (expected is not None)
        if expected is not None:
            assert rsi.value == float(expected)
            assert rsi.zone(Level.of(lower), Level.of(upper)) is naive_zone(expected, lower, upper)


@given(prices=prices, period=periods, cut=st.integers(min_value=0, max_value=60))
def test_a_restored_one_goes_on_as_if_nothing_had_happened(prices, period, cut):
    whole = CutlerRsi(period=period)
    for price in prices[:cut]:
        whole.update(price)
    restored = CutlerRsi(period=period)
    restored.update(77)
    restored.restore(whole.snapshot())
    assert restored.snapshot() == whole.snapshot()
    for price in prices[cut:]:
        ready = whole.update(price)
        assert restored.update(price) == ready
        if ready:
            assert restored.value == whole.value
        assert restored.snapshot() == whole.snapshot()


def test_a_value_on_the_threshold_is_within_it():
    rsi = CutlerRsi(period=10)
    for price in (0, 3, -4):  # one rise of 3, one fall of 7: exactly 30
        rsi.update(price)
    for _ in range(8):
        rsi.update(-4)
    assert rsi.value == 30
    assert rsi.zone(Level.of(Decimal(30)), Level.of(Decimal(70))) is Zone.WITHIN
    assert rsi.zone(Level.of(Decimal("30.0000000001")), Level.of(Decimal(70))) is Zone.BELOW
    assert rsi.zone(Level.of(Decimal(0)), Level.of(Decimal("29.9999999999"))) is Zone.ABOVE


def test_without_a_fall_it_is_a_hundred_and_without_a_rise_zero():
    rising, falling = CutlerRsi(period=3), CutlerRsi(period=3)
    for step in range(4):
        rising.update(step)
        falling.update(-step)
    assert rising.value == 100
    assert falling.value == 0


@pytest.mark.parametrize("flat", ["0", "50", "100"])
def test_without_movement_it_is_the_flat_value(flat):
    rsi = CutlerRsi(period=2, flat_rsi=Decimal(flat))
    for _ in range(3):
        rsi.update(5)
    assert rsi.value == float(flat)


@pytest.mark.parametrize("period", [0, -1, 10_001])
def test_a_period_out_of_range_is_refused(period):
    with pytest.raises(ValueError, match=rf"period is {period}, not a number from 1 to 10000"):
        CutlerRsi(period=period)


@pytest.mark.parametrize("level", ["-1", "100.1", "NaN", "Infinity"])
def test_a_level_that_is_no_rsi_value_is_refused(level):
    with pytest.raises(ValueError, match="is not an RSI value"):
        Level.of(Decimal(level))


def state_of(period: int) -> bytes:
    rsi = CutlerRsi(period=period)
    for price in range(period + 3):
        rsi.update(price)
    return rsi.snapshot()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (b"", "another version"),
        (b"\x02" + state_of(14)[1:], "another version"),
        (state_of(9), "of period 9, not 14"),
        (state_of(14)[:-1], "damaged"),
        (state_of(14) + b"\x00", "damaged"),
        (state_of(14)[:3], "damaged"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(state, reason):
    rsi = CutlerRsi(period=14)
    for price in (5, 9, 2):
        rsi.update(price)
    before = rsi.snapshot()
    with pytest.raises(ValueError, match=reason):
        rsi.restore(state)
    assert rsi.snapshot() == before
