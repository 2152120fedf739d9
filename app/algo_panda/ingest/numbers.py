"""Text to the whole numbers that a tick holds. Exact, or refused."""

import re
from decimal import Decimal

from algo_panda.domain.money import PriceError, from_raw, to_raw
from algo_panda.ingest.source import FieldError

LARGEST = 2**63 - 1
"""Tokens and quantities are signed 64-bit integers on the wire."""

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"([+-]?\d+)(?:\.0*)?", re.ASCII)


def parse_price(text: str) -> int:
    """A positive price, in units of ``10**-8``.

    Raises:
        FieldError: absent, no number, not positive, more than 8 decimals or 18 digits.
    """
    if not text:
        raise FieldError("last_price is absent")
    if NUMBER.fullmatch(text) is None:
        raise FieldError(f"last_price {text!r} is not a number")
    price = Decimal(text)
    try:
        raw = to_raw(price)
    except PriceError as error:
        raise FieldError(f"last_price {error}") from error
    if from_raw(raw) != price:
        raise FieldError(f"last_price {text} has more than 8 decimal places")
    if raw <= 0:
        raise FieldError(f"last_price {text} is not positive")
    return raw


def parse_token(text: str) -> int:
    """An instrument token, positive.

    Raises:
        FieldError: absent, no whole number, or out of range.
    """
    if not text:
        raise FieldError("instrument_token is absent")
    token = _whole("instrument_token", text)
    if token <= 0:
        raise FieldError(f"instrument_token {text} is not positive")
    return token


def parse_quantity(text: str) -> int:
    """The quantity of the last trade; 0 where the text is empty.

    Raises:
        FieldError: no whole number, negative, or out of range.
    """
    return _count("last_traded_quantity", text)


def parse_volume(text: str) -> int:
    """The volume of the day so far; 0 where the text is empty.

    Raises:
        FieldError: no whole number, negative, or out of range.
    """
    return _count("volume_traded", text)


def _count(field: str, text: str) -> int:
    if not text:
        return 0
    count = _whole(field, text)
    if count < 0:
        raise FieldError(f"{field} {text} is negative")
    return count


def _whole(field: str, text: str) -> int:
    """``283``, also as ``283.0``, which programs write for a column that has gaps."""
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise FieldError(f"{field} {text!r} is not a whole number")
    digits = match[1]
    if len(digits) > 20 or abs(number := int(digits)) > LARGEST:
        raise FieldError(f"{field} {text} is out of range")
    return number
