"""Ticks from comma-separated text, plain or gzipped. A row is a line; its first names columns."""

import csv
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path

from algo_panda.ingest.columns import Columns
from algo_panda.ingest.rejects import RejectedLines
from algo_panda.ingest.rows import row_parser
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
from algo_panda.ingest.text_file import TextFile


class CsvSource:
    """One file. A quoted field may hold commas, but no line break.

    Raises:
        UnreadableSourceError: the file is missing, empty, or lacks a column.
    """

    kind = Kind.CSV

    def __init__(self, path: Path, *, columns: Columns, read_time: Callable[[str], int]) -> None:
        self.name = str(path)
        self._file = TextFile(path)
        self._header = _read_header(path)
        self._indices = columns.find(self._header, self.name)
        self._parse = row_parser(read_time)

    @property
    def fraction_read(self) -> float:
        """By bytes on disk, 0 to 1."""
        return self._file.fraction_read

    @property
    def shape(self) -> object:
        """The header."""
        return self._header

    def rejects_writer(self, path: Path) -> RejectsWriter:
        """Rejected lines as they stand, behind a column ``reason``."""
        header = _joined(("reason", *self._header))
        return RejectedLines(path, header=header, render=_rejected_line)

    def __iter__(self) -> Iterator[Row]:
        """Read on from the first row."""
        origin = Origin(file=self.name, unit="line")
        parse, width = self._parse, len(self._header)
        pick = itemgetter(*(width if index is None else index for index in self._indices))
        with self._file.open() as lines:
            next(lines, None)
            for number, line in enumerate(lines, 2):
                if line.isspace():
                    continue
                try:
                    fields = _split(line, width)
                    fields.append("")  # what an optional column that is not there holds
                    tick = parse(*pick(fields))
                except FieldError as error:
                    where = origin.at(number)
                    yield BadRow(where=where, reason=str(error), raw=line.rstrip("\n"))
                else:
                    yield LocatedTick(tick, number, origin)


def _read_header(path: Path) -> tuple[str, ...]:
    with TextFile(path).open() as lines:
        line = next(lines, "")
    if not line.strip():
        raise UnreadableSourceError(f"{path} is empty: its first line must name columns")
    try:
        return tuple(_quoted(line))
    except FieldError as error:
        raise UnreadableSourceError(f"{path}, line 1: {error}") from error


def _split(line: str, width: int) -> list[str]:
    fields = _quoted(line) if '"' in line else line.rstrip("\n").split(",")
    if len(fields) != width:
        raise FieldError(f"{len(fields)} fields where the header has {width}")
    return fields


def _quoted(line: str) -> list[str]:
    try:
        return next(csv.reader((line,), strict=True))
    except csv.Error as error:
        raise FieldError(f"no row of comma-separated values: {error}") from error


def _joined(fields: tuple[str, ...]) -> str:
    return ",".join(_escaped(field) for field in fields)


def _escaped(field: str) -> str:
    if any(character in field for character in ',"\n\r'):
        return '"' + field.replace('"', '""') + '"'
    return field


def _rejected_line(bad: BadRow) -> str:
    return f"{_escaped(str(bad))},{bad.raw}"
