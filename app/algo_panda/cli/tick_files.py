"""The options of commands that read tick files."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.timestamps import to_micros
from algo_panda.ingest.times import TimeFormat
from algo_panda.wire.values import DAY_US

if TYPE_CHECKING:
    from algo_panda.ingest.source import FileSource

ColumnOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD=NAME", help="The column that holds a field of the ticks."),
]
TimeFormatOption = Annotated[
    TimeFormat, typer.Option(help="Event times: ISO 8601, or s, ms, us since 1970.")
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="Zone of times that have none."),
]


def speed_of(text: str) -> float:
    """The factor in ``--speed 10x``.

    Raises:
        ConfigurationError: there is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x?", text, re.ASCII)
    if match is None or not 0 < float(match[1]) < math.inf:
        raise ConfigurationError(f"--speed {text}: write it as 1x, 10x, 0.5x")
    return float(match[1])


def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone of ``--timezone``.

    Raises:
        ConfigurationError: there is no such zone.
    """
    try:
        return None if name is None else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError(f"--timezone {name}: there is no such zone") from error


def open_tick_files(
    files: Sequence[Path], columns: Sequence[str], time_format: TimeFormat, timezone: str | None
) -> "list[FileSource]":
    """The files as sources of ticks.

    Raises:
        ConfigurationError: an option cannot be used.
        UnreadableSourceError: a file cannot be.
    """
    from algo_panda.ingest.columns import Columns
    from algo_panda.ingest.opening import Reading, open_source

    reading = Reading(
        columns=Columns.parse(columns),
        time_format=time_format,
        timezone=zone_of(timezone),
        # Readers of the topic refuse what claims to come from further ahead.
        latest_us=to_micros(datetime.now(UTC)) + DAY_US,
    )
    return [open_source(path, reading) for path in files]
