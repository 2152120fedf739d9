"""Chooses the reader of a file by its name, and a rejects file that fits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from algo_panda.domain.errors import ConfigurationError
from algo_panda.ingest.columns import Columns
from algo_panda.ingest.csv_source import CsvSource
from algo_panda.ingest.json_source import JsonLinesSource
from algo_panda.ingest.rejects import Rejects
from algo_panda.ingest.source import FileSource, Kind, UnreadableSourceError
from algo_panda.ingest.times import TimeFormat, text_times
from algo_panda.wire.values import LATEST_US

_KINDS = {
    ".csv": Kind.CSV,
    ".csv.gz": Kind.CSV,
    ".jsonl": Kind.JSON_LINES,
    ".jsonl.gz": Kind.JSON_LINES,
    ".ndjson": Kind.JSON_LINES,
    ".ndjson.gz": Kind.JSON_LINES,
    ".parquet": Kind.PARQUET,
    ".pq": Kind.PARQUET,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to understand the columns of tick files."""

    columns: Columns = field(default_factory=Columns)
    time_format: TimeFormat = TimeFormat.ISO
    """Of time columns that hold text or numbers."""
    timezone: ZoneInfo | None = None
    """Where times without a zone are from; None: they are bad rows."""
    latest_us: int = LATEST_US
    """A later event time is a bad row, in microseconds since the epoch."""


def open_source(path: Path, reading: Reading) -> FileSource:
    """The source for ``path``, by the end of its name.

    Raises:
        UnreadableSourceError: unknown kind of file, missing file or column, or no such format.
    """
    read_time = text_times(reading.time_format, zone=reading.timezone, latest_us=reading.latest_us)
    match _kind(path):
        case Kind.CSV:
            return CsvSource(path, columns=reading.columns, read_time=read_time)
        case Kind.JSON_LINES:
            return JsonLinesSource(path, columns=reading.columns, read_time=read_time)
        case Kind.PARQUET:
            # Arrow takes a quarter of a second to import.
            from algo_panda.ingest.parquet_source import ParquetSource

            return ParquetSource(
                path,
                columns=reading.columns,
                read_time=read_time,
                zone=reading.timezone,
                latest_us=reading.latest_us,
            )
        case None:
            raise UnreadableSourceError(
                f"{path}: unknown kind of tick file; known: {', '.join(_KINDS)}"
            )


def open_rejects(path: Path, sources: Sequence[FileSource]) -> Rejects:
    """The new file ``path`` for bad rows of ``sources``, in their own format.

    Raises:
        ConfigurationError: the sources differ in format or columns, ``path`` is named as another
            format, it exists, or its folder does not.
    """
    first = sources[0]
    if any((source.kind, source.shape) != (first.kind, first.shape) for source in sources):
        raise ConfigurationError(
            "the files differ in format or columns, and one rejects file cannot hold the rows of "
            "all; publish them one by one"
        )
    if _kind(path) is not first.kind:
        suffixes = ", ".join(suffix for suffix, kind in _KINDS.items() if kind is first.kind)
        raise ConfigurationError(
            f"{path} would hold {first.kind} rows; let its name end in one of {suffixes}"
        )
    if path.exists():
        raise ConfigurationError(f"{path} exists; move it away, or name another rejects file")
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder of {path} does not exist")
    return Rejects(path, first.rejects_writer(path))


def _kind(path: Path) -> Kind | None:
    name = path.name.lower()
    return next((kind for suffix, kind in _KINDS.items() if name.endswith(suffix)), None)
