"""Ticks from Parquet, batch by batch.

Every column but a time stamp is cast to text and read by the same rules as text files: Arrow
writes a float by the shortest digits that give it again, and decimals and integers in full.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types)

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from algo_panda.ingest.columns import Columns
from algo_panda.ingest.parquet_rejects import RejectedRecords
from algo_panda.ingest.rows import RowParser, row_parser
from algo_panda.ingest.source import (
    BadRow,
    FieldError,
    Kind,
    LocatedTick,
    Origin,
    RejectsWriter,
    Row,
    UnreadableSourceError,
)
from algo_panda.ingest.times import stamp_times

_BATCH_ROWS = 16_384
_TIME_FIELD = 1


class ParquetSource:
    """One file.

    ``read_time`` is for times in text or numbers. A column of Arrow's timestamp type says itself
    what it means, but for a naive one, which is by the clocks of ``zone``; ``latest_us`` is the
    latest to believe.

    Raises:
        UnreadableSourceError: the file is missing or no Parquet, lacks a column, has one of a
            type that no field can be read from, or naive timestamps without ``zone``.
    """

    kind = Kind.PARQUET

    def __init__(
        self,
        path: Path,
        *,
        columns: Columns,
        read_time: Callable[[str], int],
        zone: ZoneInfo | None,
        latest_us: int,
    ) -> None:
        self.name = str(path)
        self._path = path
        with self._open() as file:
            self._schema = file.schema_arrow
        self._indices = columns.find(self._schema.names, self.name)
        self._rows = 0
        self._rows_read = 0
        for index in self._indices:
            self._check_type(index)
        stamps = self._stamps(zone, latest_us)
        self._has_stamps = stamps is not None
        self._parse: RowParser[Any] = row_parser(stamps or read_time)

    @property
    def fraction_read(self) -> float:
        """By rows, 0 to 1."""
        return self._rows_read / self._rows if self._rows else 0.0

    @property
    def shape(self) -> object:
        """Names and types of the columns."""
        return tuple((field.name, str(field.type)) for field in self._schema)

    def rejects_writer(self, path: Path) -> RejectsWriter:
        """Rejected rows as they stand, behind a column ``reason``."""
        return RejectedRecords(path, self._schema)

    def __iter__(self) -> Iterator[Row]:
        """Read on from the first row."""
        origin = Origin(file=self.name, unit="row")
        parse = self._parse
        self._rows_read = 0
        for batch in self._batches():
            first = self._rows_read + 1
            self._rows_read += batch.num_rows
            for number, fields in enumerate(zip(*self._lists(batch), strict=True), first):
                try:
                    tick = parse(*fields)
                except FieldError as error:
                    raw = batch.slice(number - first, 1)
                    yield BadRow(where=origin.at(number), reason=str(error), raw=raw)
                else:
                    yield LocatedTick(tick, number, origin)

    def _batches(self) -> Iterator[Any]:
        with self._open() as file:
            self._rows = file.metadata.num_rows
            batches = file.iter_batches(batch_size=_BATCH_ROWS)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    raise self._unreadable(error) from error
                if batch is None:
                    return
                yield batch

    def _lists(self, batch: Any) -> list[list[Any]]:  # noqa: ANN401 - untyped library
        """A list for each field of a tick: texts, or numbers of a timestamp column's unit."""
        lists: list[list[Any]] = []
        for field, index in enumerate(self._indices):
            if index is None:
                lists.append([""] * batch.num_rows)
                continue
            column = batch.column(index)
            try:
                if field == _TIME_FIELD and self._has_stamps:
                    lists.append(column.cast(pa.int64()).to_pylist())
                else:
                    lists.append(column.cast(pa.string()).fill_null("").to_pylist())
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise self._unreadable(error) from error
        return lists

    def _stamps(self, zone: ZoneInfo | None, latest_us: int) -> Callable[[int | None], int] | None:
        """A reader of the time column, where it is one of timestamps."""
        kind = self._schema.types[self._indices[_TIME_FIELD]]
        if not pa.types.is_timestamp(kind):
            return None
        if kind.tz is not None:
            return stamp_times(kind.unit, zone=None, latest_us=latest_us)
        if zone is None:
            raise UnreadableSourceError(
                f"the event times of {self.name} have no time zone; say which with --timezone"
            )
        return stamp_times(kind.unit, zone=zone, latest_us=latest_us)

    def _check_type(self, index: int | None) -> None:
        if index is None:
            return
        field = self._schema.field(index)
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        is_time = index == self._indices[_TIME_FIELD]
        if not (_is_readable(kind) or (is_time and pa.types.is_timestamp(field.type))):
            raise UnreadableSourceError(
                f"{self.name}: column {field.name!r} is of type {field.type}, "
                "neither numbers nor text"
            )

    def _open(self) -> Any:  # noqa: ANN401 - untyped library
        try:
            return pq.ParquetFile(self._path)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UnreadableSourceError:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        return UnreadableSourceError(f"{self.name} cannot be read: {reason}")


def _is_readable(kind: Any) -> bool:  # noqa: ANN401 - untyped library
    """Whether a column of this type can be cast to text that says the same."""
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_null(kind)
    )
