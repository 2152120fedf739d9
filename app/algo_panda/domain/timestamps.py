"""Event time between aware ``datetime`` and whole microseconds since the Unix epoch."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch.

    Raises:
        ValueError: ``moment`` is naive: nobody can tell which instant it means.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant as an aware UTC ``datetime``."""
    return _EPOCH + timedelta(microseconds=micros)


def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC with a ``Z``, as JSON output has it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
