"""The options of ``panda replay`` that say which part of the ticks, and how much money, parsed."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING

from algo_panda.cli.tick_files import zone_of
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.money import PriceError, from_raw, to_raw

if TYPE_CHECKING:
    from algo_panda.replay.selection import Selection


def selection_of(
    from_: str | None, to: str | None, offsets: Sequence[str], timezone: str | None
) -> "Selection":
    """What the options leave.

    Raises:
        ConfigurationError: one of them is not of its form, or nothing can be left.
    """
    from algo_panda.replay.selection import Selection, span

    zone: tzinfo = zone_of(timezone) or UTC
    first, end = _moment("--from", from_, zone), _moment("--to", to, zone, is_end=True)
    if first is not None and end is not None and first >= end:
        raise ConfigurationError(f"--from {from_} is not before --to {to}")
    try:
        spans = dict(map(span, offsets))
    except ValueError as error:
        raise ConfigurationError(
            f"--offsets {error}: write it as 0:1000-2000, 0:1000- or 0:-2000"
        ) from error
    if len(spans) < len(offsets):
        raise ConfigurationError("--offsets names a partition more than once")
    return Selection(from_us=first, to_us=end, offsets=spans)


def capital_of(text: str) -> Decimal:
    """The amount of ``--capital``.

    Raises:
        ConfigurationError: it is no amount above 0.
    """
    try:
        amount = from_raw(to_raw(text))
    except PriceError as error:
        raise ConfigurationError(f"--capital {text}: write it as 100000 or 2500.50") from error
    if amount <= 0:
        raise ConfigurationError(f"--capital {text}: it has to be more than 0")
    return amount


def _moment(option: str, text: str | None, zone: tzinfo, *, is_end: bool = False) -> int | None:
    from algo_panda.replay.selection import moment

    if text is None:
        return None
    try:
        return moment(text, zone=zone, today=datetime.now(zone).date(), is_end=is_end)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option} {text}: write it as 2026-01-05T09:15:00, 2026-01-05, today or yesterday"
        ) from error
