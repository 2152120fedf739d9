"""Prices as whole numbers: exact both ways, whatever the decimal context says."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.money import PRICE_PRECISION, PriceError, from_raw, plain, to_raw

raws = st.integers(min_value=-(10**PRICE_PRECISION) + 1, max_value=10**PRICE_PRECISION - 1)


@pytest.mark.parametrize(
    ("price", "raw"),
    [
        ("1", 100_000_000),
        ("0.00000001", 1),
        ("-2.5", -250_000_000),
        ("9999999999.99999999", 10**18 - 1),
        ("-0", 0),
        ("0E+900000", 0),
        ("1.500000000000", 150_000_000),
        (7, 700_000_000),
        (Decimal("185.96"), 18_596_000_000),
    ],
)
def test_a_price_is_counted_in_hundred_millionths(price, raw):
    assert to_raw(price) == raw


@pytest.mark.parametrize(
    ("price", "complaint"),
    [
        ("0.000000001", "more than 8 decimal places"),
        ("1E-900000", "more than 8 decimal places"),
        ("1.0000000000000000000000000000000000001", "more than 8 decimal places"),
        ("0.99999999999999999999999999999999999999", "more than 8 decimal places"),
        ("10000000000", "more than 18 digits"),
        ("1E+900000", "more than 18 digits"),
        ("NaN", "not a finite decimal number"),
        ("sNaN", "not a finite decimal number"),
        ("-Infinity", "not a finite decimal number"),
        ("", "not a finite decimal number"),
        ("12,5", "not a finite decimal number"),
        (None, "not a finite decimal number"),
    ],
)
def test_what_cannot_stand_as_a_price_is_refused_and_never_rounded(price, complaint):
    with pytest.raises(PriceError, match=complaint):
        to_raw(price)


@given(raws)
def test_a_raw_price_survives_the_way_to_decimal_and_back(raw):
    price = from_raw(raw)
    assert price * 10**8 == raw
    assert to_raw(price) == to_raw(plain(price)) == raw


@given(st.lists(raws, max_size=5), st.integers(1, 3))
def test_prices_asked_for_in_turn_are_each_their_own(asked, apart):
    alike = [number + step * apart * 2_039 for number in asked for step in range(3)]
    for raw in alike * 2:
        price = from_raw(raw)
        assert price * 10**8 == raw
        assert to_raw(price) == raw


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_is_either_kept_exactly_or_refused(number):
    try:
        raw = to_raw(number)
    except PriceError:
        assert number.adjusted() >= 10 or number.as_tuple().exponent < -8
    else:
        assert from_raw(raw) == number


@given(raws)
def test_the_decimal_context_of_a_strategy_changes_no_price(raw):
    price = from_raw(raw)
    with localcontext() as context:
        context.prec = 3
        assert str(from_raw(raw)) == str(price)
        assert to_raw(price) == raw
        assert Decimal(plain(price)) == price


@pytest.mark.parametrize(
    ("raw", "text"),
    [(100_000_000, "1"), (1_000_000_000_000, "10000"), (150_000_000, "1.5"), (1, "1E-8"), (0, "0")],
)
def test_a_decimal_price_has_no_trailing_zeros_behind_the_point(raw, text):
    assert str(from_raw(raw)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1E-8", "0.00000001"),
        ("1E+3", "1000"),
        ("100", "100"),
        ("1.500", "1.5"),
        ("-2.0", "-2"),
        ("0E+3", "0"),
        ("-0.00", "0"),
        ("12345678901234567890123456789012345.5", "12345678901234567890123456789012345.5"),
    ],
)
def test_plain_numbers_have_no_exponent_and_no_trailing_zeros(number, text):
    assert plain(Decimal(number)) == text
