"""A part of what was recorded: by time, by offset."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo

import numpy as np

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.timestamps import to_micros
from algo_panda.replay.ticks import RecordedTicks, Refuse, TickColumns

Span = tuple[int, int | None]
"""The first offset, and the one behind the last; None: the end."""

_DAYS_AGO = {"today": 0, "yesterday": 1}
_OFFSETS = re.compile(r"(\d+):(\d*)-(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which ticks to replay; those that meet all of it."""

    from_us: int | None = None
    """The first moment, microseconds since the epoch."""
    to_us: int | None = None
    """The moment behind the last one."""
    offsets: Mapping[int, Span] = field(default_factory=dict[int, Span])
    """By partition; others have none. Empty: all of all partitions."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.from_us is None and self.to_us is None and not self.offsets


class SelectedTicks:
    """Those of ``source`` that are in ``selection``.

    Raises:
        ConfigurationError: it names a partition that there is not.
    """

    count = None

    def __init__(self, source: RecordedTicks, selection: Selection) -> None:
        self._source = source
        self._selection = selection
        self.name = source.name
        self.topic_id = source.topic_id
        self.time_field = source.time_field
        unknown = selection.offsets.keys() - set(source.partitions)
        if unknown:
            raise ConfigurationError(f"{source.name} has no partition {min(unknown)}")
        self.partitions: Sequence[int] = sorted(selection.offsets) or source.partitions

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        """The ticks of a partition; the unusable records among all that is there are told."""
        selection = self._selection
        first, end = selection.offsets.get(partition, (0, None))
        for columns in self._source.read(partition, refuse):
            kept = columns.offsets >= first
            if end is not None:
                if len(columns) and columns.offsets[0] >= end:
                    return
                kept &= columns.offsets < end
            times = columns.fields[self.time_field]
            if selection.from_us is not None:
                kept &= times >= selection.from_us
            if selection.to_us is not None:
                kept &= times < selection.to_us
            if kept.all():
                yield columns
            else:  # also where none is left: a chance to stop
                yield TickColumns(
                    partition=partition,
                    offsets=columns.offsets[kept],
                    fields=np.ascontiguousarray(columns.fields[:, kept]),
                )


def moment(text: str, *, zone: tzinfo, today: date, is_end: bool) -> int:
    """Microseconds since the epoch of ``2026-11-20T09:15``, ``2026-11-20`` or ``yesterday``.

    Args:
        text: a time, with its zone or of ``zone``; or a day of ``zone``.
        zone: by whose clocks.
        today: the day there.
        is_end: whether a day stands for its end rather than its beginning.

    Raises:
        ValueError: it is none of these.
    """
    if text in _DAYS_AGO:
        day = today - timedelta(days=_DAYS_AGO[text])
    else:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            at = datetime.fromisoformat(text)
            return to_micros(at if at.tzinfo is not None else at.replace(tzinfo=zone))
    if is_end:
        day += timedelta(days=1)
    return to_micros(datetime.combine(day, time(), zone))


def span(text: str) -> tuple[int, Span]:
    """A partition and its offsets out of ``0:1000-2000``, ``0:1000-`` or ``0:-2000``.

    Raises:
        ValueError: it is none of these.
    """
    match = _OFFSETS.fullmatch(text)
    if match is None:
        raise ValueError(text)
    partition, first, end = match.groups()
    if end and int(end) <= int(first or 0):
        raise ValueError(text)
    return int(partition), (int(first or 0), int(end) if end else None)
