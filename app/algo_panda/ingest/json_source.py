"""Ticks from JSON lines, plain or gzipped: one object a line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from algo_panda.ingest.columns import FIELDS, Columns
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
)
from algo_panda.ingest.text_file import TextFile

_decode = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str).decode
"""Numbers stay the text that they are, so that none is rounded on the way."""


class JsonLinesSource:
    """One file. Keys that no field is mapped to are ignored; blank lines are skipped.

    Raises:
        UnreadableSourceError: the file is missing.
    """

    kind = Kind.JSON_LINES
    shape: object = None

    def __init__(self, path: Path, *, columns: Columns, read_time: Callable[[str], int]) -> None:
        self.name = str(path)
        self._file = TextFile(path)
        self._names = columns.names
        self._parse = row_parser(read_time)
        with TextFile(path).open():
            pass  # a file that is missing is noticed before the run

    @property
    def fraction_read(self) -> float:
        """By bytes on disk, 0 to 1."""
        return self._file.fraction_read

    def rejects_writer(self, path: Path) -> RejectsWriter:
        """Rejected objects as they stand, with a key ``reason`` at their end."""
        return RejectedLines(path, render=_rejected_line)

    def __iter__(self) -> Iterator[Row]:
        """Read on from the first line."""
        origin = Origin(file=self.name, unit="line")
        parse = self._parse
        with self._file.open() as lines:
            for number, line in enumerate(lines, 1):
                if line.isspace():
                    continue
                try:
                    tick = parse(*self._fields(line))
                except FieldError as error:
                    where = origin.at(number)
                    yield BadRow(where=where, reason=str(error), raw=line.rstrip("\n"))
                else:
                    yield LocatedTick(tick, number, origin)

    def _fields(self, line: str) -> list[str]:
        get = _decoded(line).get
        fields: list[str] = []
        for index, name in enumerate(self._names):
            value = get(name)
            if type(value) is str:
                fields.append(value)
            elif value is None:
                fields.append("")
            else:
                shown = json.dumps(value)
                raise FieldError(f"{FIELDS[index]} {shown:.40} is neither number nor text")
        return fields


def _decoded(line: str) -> dict[str, object]:
    try:
        value: object = _decode(line)
    except json.JSONDecodeError as error:
        raise FieldError(f"no JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise FieldError("no JSON object of plain fields: nested too deep") from error
    if not isinstance(value, dict):
        raise FieldError("no JSON object")
    return cast("dict[str, object]", value)


def _rejected_line(bad: BadRow) -> str:
    """The object with ``reason`` added; a line that is none becomes the key ``raw``."""
    line = str(bad.raw).strip()
    reason = json.dumps(str(bad))
    try:
        fields = _decoded(line)
    except FieldError:
        return json.dumps({"raw": line, "reason": str(bad)})
    comma = ", " if fields else ""
    return f'{line[:-1].rstrip()}{comma}"reason": {reason}}}'
