from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.ingest.numbers import (
    LARGEST,
    parse_price,
    parse_quantity,
    parse_token,
    parse_volume,
)
from algo_panda.ingest.source import FieldError


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("181.52", "181.52"),
        ("181.520000000000000000000000000000000000", "181.52"),
        ("+181", "181"),
        ("181.", "181"),
        (".5", "0.5"),
        ("1e-08", "0.00000001"),
        ("1.5E+3", "1500"),
        ("9999999999.99999999", "9999999999.99999999"),
    ],
)
def test_prices_are_read_exactly(text: str, price: str) -> None:
    assert parse_price(text) == Decimal(price) * 10**8


@given(st.integers(1, 10**15 - 1))
def test_a_price_survives_a_float_by_its_shortest_digits(raw: int) -> None:
    assert parse_price(repr(float(Decimal(raw).scaleb(-8)))) == raw


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is absent"),
        ("abc", "is not a number"),
        ("nan", "is not a number"),
        ("Infinity", "is not a number"),
        ("1_000", "is not a number"),
        ("1,000", "is not a number"),
        (" 1", "is not a number"),
        ("١٢", "is not a number"),
        ("0", "is not positive"),
        ("-0.0", "is not positive"),
        ("-3.5", "is not positive"),
        ("0.000000001", "more than 8 decimal places"),
        ("1.00000000000000000000000000000000000001", "more than 8 decimal places"),
        ("1e-999", "more than 8 decimal places"),
        ("10000000000", "more than 18 digits"),
        ("1e999", "digits"),
    ],
)
def test_what_is_no_price_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(FieldError, match=f"^last_price.*{reason}"):
        parse_price(text)


@pytest.mark.parametrize("text", ["1001", "1001.0", "1001.", "+1001", "0001001"])
def test_a_whole_number_may_be_written_as_programs_write_it(text: str) -> None:
    assert parse_token(text) == 1001


@pytest.mark.parametrize("text", ["1001.5", "1e3", "NSE:INFY", "1 001", "true", "--1"])
def test_a_token_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match=r"instrument_token .* is not a whole number"):
        parse_token(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "is absent"), ("0", "is not positive"), ("-7", "is not positive")],
)
def test_a_token_must_be_there_and_positive(text: str, reason: str) -> None:
    with pytest.raises(FieldError, match=f"instrument_token.*{reason}"):
        parse_token(text)


@pytest.mark.parametrize("parse", [parse_quantity, parse_volume])
def test_quantities_are_optional_and_never_negative(parse) -> None:
    assert parse("") == 0
    assert parse("283") == 283
    assert parse("283.0") == 283
    assert parse("0") == 0
    with pytest.raises(FieldError, match="is negative"):
        parse("-1")
    with pytest.raises(FieldError, match="is not a whole number"):
        parse("2.5")


@pytest.mark.parametrize("parse", [parse_token, parse_quantity, parse_volume])
def test_numbers_that_no_64_bits_hold_are_refused(parse) -> None:
    assert parse(str(LARGEST)) == LARGEST
    for text in (str(LARGEST + 1), "9" * 5000):
        with pytest.raises(FieldError, match="is out of range"):
            parse(text)
