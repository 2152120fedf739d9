"""Event times, as files have them, to microseconds since the epoch. Exact, or refused.

What is finer than a microsecond is refused rather than cut off, as is a local time that the
change of the clocks makes ambiguous or skips.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from app.domain.timestamps import from_micros, to_micros
from app.ingest.memo import Memo
from app.ingest.numbers import NUMBER
from app.ingest.source import FieldError

EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Outside of these a time is absurd: mostly an epoch number read in the wrong unit."""

_EARLIEST_US = to_micros(EARLIEST)
_LATEST_US = to_micros(LATEST)
_ABSURD = f"is not between {EARLIEST.year} and {LATEST.year - 1}"
_NOT_ISO = "is not an ISO 8601 date and time with seconds; --time-format names other forms"
_SECOND = 1_000_000

_TO_THE_SECOND = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", re.ASCII)
_REST = re.compile(r"(?:[.,](\d+))?(?:([Zz])|([+-])([01]\d|2[0-3]):?([0-5]\d)?)?", re.ASCII)


class TimeFormat(StrEnum):
    """How a column of text or plain numbers says the event time."""

    ISO = "iso"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"


_RATIO = {"s": (_SECOND, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""Microseconds are counts of a unit times the first, divided by the second."""

_MICROS_PER = {
    TimeFormat.SECONDS: _SECOND,
    TimeFormat.MILLISECONDS: 1_000,
    TimeFormat.MICROSECONDS: 1,
}


def text_times(form: TimeFormat, zone: ZoneInfo | None) -> Callable[[str], int]:
    """A reader of times written as ``form``; ``zone`` is where naive ones are from.

    The reader raises ``FieldError`` on what it cannot use.
    """
    if form is TimeFormat.ISO:
        return _iso_times(zone)
    return _epoch_times(_MICROS_PER[form])


def stamp_times(
    unit: Literal["s", "ms", "us", "ns"], to_utc: Callable[[int], int] | None
) -> Callable[[int | None], int]:
    """A reader of timestamps counted in ``unit``; ``to_utc`` converts them, if they are naive.

    The reader raises ``FieldError`` on what it cannot use.
    """
    multiplier, divisor = _RATIO[unit]

    def read(stamp: int | None) -> int:
        if stamp is None:
            raise FieldError("event_time is absent")
        micros, rest = divmod(stamp * multiplier, divisor)
        if rest:
            raise FieldError(f"event_time {stamp} {unit} after 1970 is finer than a microsecond")
        if not _EARLIEST_US <= micros < _LATEST_US:
            raise FieldError(f"event_time {stamp} {unit} after 1970 {_ABSURD}")
        return micros if to_utc is None else to_utc(micros)

    return read


def local_times(zone: ZoneInfo) -> Callable[[int], int]:
    """A converter of wall clock microseconds of ``zone`` into microseconds since the epoch.

    It raises ``FieldError`` where the clocks show that time twice, or never.
    """

    def second_to_utc(second: int) -> int:
        wall = from_micros(second * _SECOND).replace(tzinfo=zone)
        first, last = wall.utcoffset(), wall.replace(fold=1).utcoffset()
        if first != last or first is None:
            raise FieldError(
                f"event_time {wall.replace(tzinfo=None)} is shown twice or never in {zone.key}, "
                "where the clocks change"
            )
        return (second - first // timedelta(seconds=1)) * _SECOND

    seconds = Memo(second_to_utc)

    def to_utc(micros: int) -> int:
        second, rest = divmod(micros, _SECOND)
        return seconds[second] + rest

    return to_utc


def _iso_times(zone: ZoneInfo | None) -> Callable[[str], int]:
    """ISO 8601 to the second at least: the second and what follows it are remembered apart."""
    seconds: Memo[str, int] = Memo(_parse_second)
    rests: Memo[str, tuple[int, bool]] = Memo(_parse_rest)
    to_utc = local_times(zone) if zone is not None else None

    def read(text: str) -> int:
        if not text:
            raise FieldError("event_time is absent")
        try:
            rest, naive = rests[text[19:]]
            micros = seconds[text[:19]] + rest
        except ValueError as error:
            raise FieldError(f"event_time {text!r} {error}") from error
        if not naive:
            return micros
        if to_utc is None:
            raise FieldError(f"event_time {text} has no time zone; say which with --timezone")
        return to_utc(micros)

    return read


def _parse_second(text: str) -> int:
    """Microseconds at the start of that second, were it UTC."""
    if _TO_THE_SECOND.fullmatch(text) is None:
        raise ValueError(_NOT_ISO)
    try:
        micros = to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError as error:
        raise ValueError(f"is no date and time: {error}") from error
    if not _EARLIEST_US <= micros < _LATEST_US:
        raise ValueError(_ABSURD)
    return micros


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


def _epoch_times(micros_per_unit: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.isdecimal() and len(text) < 20:
            micros = int(text) * micros_per_unit
        else:
            micros = _parse_epoch(text, micros_per_unit)
        if not _EARLIEST_US <= micros < _LATEST_US:
            raise FieldError(f"event_time {text} {_ABSURD}; is --time-format right?")
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
