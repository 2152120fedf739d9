"""Event times, as files have them, to microseconds since the epoch. Exact, or refused.

What is finer than a microsecond is refused rather than cut off, as is a local time that a change
of the clocks skips or shows twice. A reader raises ``FieldError`` on what it cannot use.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from algo_panda.domain.timestamps import from_micros, iso_utc, to_micros
from algo_panda.ingest.memo import Memo
from algo_panda.ingest.numbers import NUMBER
from algo_panda.ingest.source import FieldError
from algo_panda.wire.values import EARLIEST_US

_SECOND = 1_000_000
_RATIO = {"s": (_SECOND, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""Microseconds are counts of a unit times the first, divided by the second."""

_NOT_ISO = "is not an ISO 8601 date and time with seconds; --time-format names other forms"
_TO_THE_SECOND = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", re.ASCII)
_REST = re.compile(
    r"(?:[.,](\d+))?(?:([Zz])|([+-])([01]\d|2[0-3]):?([0-5]\d)?)?",
    re.ASCII,
)


class TimeFormat(StrEnum):
    """How a column of text or plain numbers says the event time: ISO 8601, or since 1970 in."""

    ISO = "iso"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"


def text_times(form: TimeFormat, *, zone: ZoneInfo | None, latest_us: int) -> Callable[[str], int]:
    """A reader of times written as ``form``.

    Args:
        form: all of them are.
        zone: where naive ones are from; None: refuse them.
        latest_us: refuse what is later, in microseconds since the epoch, and what is before
            1990: it is a number in another unit, mostly.
    """
    if form is TimeFormat.ISO:
        return _iso_times(zone, latest_us)
    return _epoch_times(_RATIO[form][0], latest_us)


def stamp_times(
    unit: Literal["s", "ms", "us", "ns"], *, zone: ZoneInfo | None, latest_us: int
) -> Callable[[int | None], int]:
    """A reader of timestamps counted in ``unit``, of the wall clock of ``zone`` if one is given."""
    multiplier, divisor = _RATIO[unit]
    to_utc = None if zone is None else _local_times(zone)

    def read(stamp: int | None) -> int:
        if stamp is None:
            raise FieldError("event_time is absent")
        micros, rest = divmod(stamp * multiplier, divisor)
        if rest:
            raise FieldError(f"event_time {stamp} {unit} since 1970 is finer than a microsecond")
        if to_utc is not None:
            micros = to_utc(micros)
        if not EARLIEST_US <= micros <= latest_us:
            raise FieldError(f"event_time {stamp} {unit} since 1970 {_absurd(latest_us)}")
        return micros

    return read


def _iso_times(zone: ZoneInfo | None, latest_us: int) -> Callable[[str], int]:
    """ISO 8601 to the second at least: the second and what follows it are remembered apart."""
    seconds: Memo[str, int] = Memo(_parse_second)
    rests: Memo[str, tuple[int, bool]] = Memo(_parse_rest)
    to_utc = None if zone is None else _local_times(zone)

    def read(text: str) -> int:
        if not text:
            raise FieldError("event_time is absent")
        try:
            rest, naive = rests[text[19:]]
            micros = seconds[text[:19]] + rest
        except ValueError as error:
            raise FieldError(f"event_time {text!r} {error}") from error
        if naive:
            if to_utc is None:
                raise FieldError(f"event_time {text} has no time zone; say which with --timezone")
            micros = to_utc(micros)
        if not EARLIEST_US <= micros <= latest_us:
            raise FieldError(f"event_time {text} {_absurd(latest_us)}")
        return micros

    return read


def _parse_second(text: str) -> int:
    """Microseconds at the start of that second, were it UTC."""
    if _TO_THE_SECOND.fullmatch(text) is None:
        raise ValueError(_NOT_ISO)
    try:
        return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError as error:
        raise ValueError(f"is no date and time: {error}") from error


def _parse_rest(text: str) -> tuple[int, bool]:
    """What follows the second: microseconds to add, and whether there is no zone."""
    match = _REST.fullmatch(text)
    if match is None:
        raise ValueError(_NOT_ISO)
    fraction, utc, sign, hours, minutes = match.groups()
    micros = 0
    if fraction:
        if fraction[6:].strip("0"):
            raise ValueError("is finer than a microsecond")
        micros = int(fraction[:6].ljust(6, "0"))
    if sign is None:
        return micros, utc is None
    offset = (int(hours) * 60 + int(minutes or 0)) * 60 * _SECOND
    return (micros - offset if sign == "+" else micros + offset), False


def _epoch_times(micros_per_unit: int, latest_us: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.isdecimal() and len(text) < 20:
            micros = int(text) * micros_per_unit
        else:
            micros = _parse_epoch(text, micros_per_unit)
        if not EARLIEST_US <= micros <= latest_us:
            raise FieldError(f"event_time {text} {_absurd(latest_us)}; is --time-format right?")
        return micros

    return read


def _parse_epoch(text: str, micros_per_unit: int) -> int:
    """A number with a point or an exponent, exactly."""
    if not text:
        raise FieldError("event_time is absent")
    if NUMBER.fullmatch(text) is None:
        raise FieldError(f"event_time {text!r} is not a number")
    numerator, denominator = Decimal(text).as_integer_ratio()
    micros, rest = divmod(numerator * micros_per_unit, denominator)
    if rest:
        raise FieldError(f"event_time {text} is finer than a microsecond")
    return micros


def _local_times(zone: ZoneInfo) -> Callable[[int], int]:
    """A converter of microseconds by the wall clock of ``zone`` to those since the epoch."""

    def second_to_utc(second: int) -> int:
        try:
            wall = from_micros(second * _SECOND).replace(tzinfo=zone)
        except OverflowError as error:
            raise FieldError("event_time is out of range") from error
        before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
        if before is None or before != after:
            raise FieldError(
                f"event_time {wall.replace(tzinfo=None)} is skipped or shown twice by the clocks "
                f"of {zone.key}, which change then"
            )
        return second * _SECOND - before // timedelta(microseconds=1)

    seconds = Memo(second_to_utc)

    def to_utc(micros: int) -> int:
        second, rest = divmod(micros, _SECOND)
        return seconds[second] + rest

    return to_utc


def _absurd(latest_us: int) -> str:
    return (
        f"is not between {iso_utc(from_micros(EARLIEST_US))} and {iso_utc(from_micros(latest_us))}"
    )
