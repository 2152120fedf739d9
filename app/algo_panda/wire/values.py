"""Single values between the domain and the wire, each checked on its way, both ways alike."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from operator import index
from typing import Any, Final, TypeVar

from algo_panda.domain.decisions import Decision
from algo_panda.domain.money import PRICE_PRECISION, PriceError, from_raw, to_raw
from algo_panda.domain.timestamps import from_micros, to_micros
from algo_panda.wire.errors import (
    InvalidAmountError,
    InvalidConfidenceError,
    InvalidPriceError,
    InvalidQuantityError,
    InvalidTimeError,
    UnknownSymbolError,
)

EARLIEST_US: Final = 631_152_000_000_000
"""1990-01-01 UTC: what claims to be older is no market data of ours."""

LATEST_US: Final = 253_402_300_800_000_000 - 1
"""The last microsecond of the year 9999, where ``datetime`` ends."""

DAY_US: Final = 86_400_000_000
"""How much later than its arrival at the broker an event may claim to be."""

RAW_LIMIT: Final = 10**PRICE_PRECISION

_KEPT: Final = 4096
"""Converted values kept: signals of several strategies share the tick's price and time."""

_moment = lru_cache(_KEPT)(from_micros)

E = TypeVar("E", bound=StrEnum)


def latest_us(timestamp_ms: int) -> int:
    """The latest event time, in microseconds, to believe of a record.

    Args:
        timestamp_ms: the record's Kafka timestamp in milliseconds; 0 or less if unknown.
    """
    return timestamp_ms * 1000 + DAY_US if timestamp_ms > 0 else LATEST_US


def raw_to_bytes(raw: int) -> bytes:
    """``raw`` as Avro's decimal: two's complement, big-endian, in as few bytes as hold it."""
    return raw.to_bytes((raw.bit_length() + 8) >> 3, "big", signed=True)


@lru_cache(_KEPT)
def price_to_bytes(price: Decimal) -> bytes:
    """``price`` as Avro's decimal of scale 8.

    Raises:
        InvalidPriceError: it is not above 0, or has too many digits.
        TypeError: it is a signalling NaN, which has no hash, or is no number at all.
    """
    try:
        raw = to_raw(price)
    except PriceError as error:
        raise InvalidPriceError(f"the price {error}") from error
    if raw <= 0:
        raise InvalidPriceError(f"the price {price} is not above 0")
    if raw >= RAW_LIMIT:  # ``to_raw`` lets pass what ``from_raw`` gave
        raise invalid_price(raw)
    return raw_to_bytes(raw)


@lru_cache(_KEPT)
def price_from_bytes(value: bytes) -> Decimal:
    """The price that Avro's decimal of scale 8 stands for.

    Raises:
        InvalidPriceError: it is not above 0, or has more than 18 digits.
    """
    raw = int.from_bytes(value, "big", signed=True)
    if not 0 < raw < RAW_LIMIT:
        raise invalid_price(raw)
    return from_raw(raw)


@lru_cache(_KEPT)
def amount_to_bytes(amount: Decimal) -> bytes:
    """``amount`` of money, which may be 0 or less, as Avro's decimal of scale 8.

    Raises:
        InvalidAmountError: it has too many digits.
        TypeError: as ``price_to_bytes``.
    """
    try:
        raw = to_raw(amount)
    except PriceError as error:
        raise InvalidAmountError(f"the amount {error}") from error
    if abs(raw) >= RAW_LIMIT:
        raise InvalidAmountError(f"the amount has more than {PRICE_PRECISION} digits")
    return raw_to_bytes(raw)


@lru_cache(_KEPT)
def amount_from_bytes(value: bytes) -> Decimal:
    """The amount of money that Avro's decimal of scale 8 stands for.

    Raises:
        InvalidAmountError: it has more than 18 digits.
    """
    raw = int.from_bytes(value, "big", signed=True)
    if not -RAW_LIMIT < raw < RAW_LIMIT:
        raise InvalidAmountError(f"the amount has more than {PRICE_PRECISION} digits")
    return from_raw(raw)


def invalid_price(raw: int) -> InvalidPriceError:
    """The error about a price of ``raw`` units."""
    if raw <= 0:
        return InvalidPriceError(f"the price {max(raw, -RAW_LIMIT)} (in 10**-8) is not above 0")
    return InvalidPriceError(f"the price has more than {PRICE_PRECISION} digits")


def time_to_micros(moment: datetime) -> int:
    """``moment`` in microseconds since the epoch.

    Raises:
        InvalidTimeError: it is before 1990, or has no time zone.
    """
    try:
        micros = to_micros(moment)
    except ValueError as error:
        raise InvalidTimeError(f"the time {error}") from error
    if micros < EARLIEST_US:
        raise invalid_time(micros, LATEST_US)
    return micros


def time_from_micros(micros: int, latest: int) -> datetime:
    """The instant, aware UTC.

    Raises:
        InvalidTimeError: it is before 1990 or after ``latest``.
    """
    if not EARLIEST_US <= micros <= latest:
        raise invalid_time(micros, latest)
    return _moment(micros)


def invalid_time(micros: int, latest: int) -> InvalidTimeError:
    """The error about a time of ``micros`` where ``latest`` is the latest to believe."""
    if micros < EARLIEST_US:
        return InvalidTimeError(f"the time {_shown(micros)} is before 1990")
    return InvalidTimeError(
        f"the time {_shown(micros)} is after {_shown(latest)}, a day after the record arrived"
    )


def decision_to_wire(decision: Decision | None) -> dict[str, Any] | None:
    """``decision`` as the fields of its schema.

    Raises:
        InvalidTimeError: its time is before 1990.
    """
    if decision is None:
        return None
    if decision.decided_us < EARLIEST_US:
        raise invalid_time(decision.decided_us, LATEST_US)
    return {
        "decided_at": decision.decided_us,
        "control_offset": decision.control_offset,
        "executions_offset": decision.executions_offset,
        "limits_version": decision.limits_version,
    }


def decision_from_wire(fields: dict[str, Any] | None, latest: int) -> Decision | None:
    """The decision with these fields.

    Raises:
        InvalidTimeError: its time is before 1990 or after ``latest``.
    """
    if fields is None:
        return None
    decided_us = fields["decided_at"]
    if not EARLIEST_US <= decided_us <= latest:
        raise invalid_time(decided_us, latest)
    return Decision(
        decided_us,
        fields["control_offset"],
        fields["executions_offset"],
        fields["limits_version"],
    )


def symbol_from_wire(symbol: str, enum: type[E]) -> E:
    """The member that ``symbol`` names.

    Raises:
        UnknownSymbolError: it names none; a newer program wrote it.
    """
    try:
        return enum[symbol]
    except KeyError:
        known = ", ".join(enum.__members__)
        raise UnknownSymbolError(
            f"{symbol} is no {enum.__name__} that this version knows ({known})"
        ) from None


def check_quantity(quantity: int) -> None:
    """Raise InvalidQuantityError where ``quantity`` is negative, or no whole number.

    What a strategy says may be of any type, and a part of a unit would be cut off in silence.
    """
    try:
        index(quantity)
    except TypeError as error:
        raise InvalidQuantityError(f"the quantity {quantity!r} is no whole number") from error
    if quantity < 0:
        raise InvalidQuantityError(f"the quantity {quantity} is negative")


def check_confidence(confidence: float) -> None:
    """Raise InvalidConfidenceError where ``confidence`` is not within 0 to 1."""
    if not 0 <= confidence <= 1:
        raise InvalidConfidenceError(f"the confidence {confidence} is not within 0 to 1")


def _shown(micros: int) -> str:
    if 0 <= micros <= LATEST_US:
        return from_micros(micros).isoformat()
    return f"{micros} us"
