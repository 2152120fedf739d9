"""What a source of ticks gives: located ticks, and located rows that are none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from algo_panda.domain.errors import BadInputError
from algo_panda.domain.market import MarketTick


class UnreadableSourceError(BadInputError):
    """A file is missing, broken, of an unknown kind, or lacks a column; the message says which."""


class FieldError(ValueError):
    """A field of a row cannot be used; the message names it and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The place of one row, for people."""

    file: str
    unit: Literal["line", "row", "tick"]
    number: int
    """From 1; in a text file the line that an editor shows, so its header is line 1."""

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What all rows of one source have in common about their place."""

    file: str
    unit: Literal["line", "row", "tick"]

    def at(self, number: int) -> Where:
        """The place of row ``number``."""
        return Where(file=self.file, unit=self.unit, number=number)


class LocatedTick(NamedTuple):
    """A tick, and where it stands. A tuple for the same reason that ``MarketTick`` is one."""

    tick: MarketTick
    number: int
    origin: Origin

    @property
    def where(self) -> Where:
        """The place it was read from."""
        return self.origin.at(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that gives no tick."""

    where: Where
    reason: str
    """What is wrong, in one clause that names the field and its value."""
    raw: object = field(repr=False)
    """The row as it stands: its text line, or a record batch of one row (Parquet)."""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


Row = LocatedTick | BadRow


class Kind(StrEnum):
    """The formats of tick files."""

    CSV = "CSV"
    JSON_LINES = "JSON lines"
    PARQUET = "Parquet"


class TickSource(Protocol):
    """Ticks in the order in which they stand; iterating anew starts anew."""

    @property
    def name(self) -> str:
        """What to call it to people: the file, mostly."""
        ...

    @property
    def fraction_read(self) -> float:
        """How much of it the present iteration has read, 0 to 1."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """Read on.

        Raises:
            UnreadableSourceError: the file breaks off, or is not what its name says.
        """
        ...


class RejectsWriter(Protocol):
    """Takes bad rows, in the format of the source they come from."""

    def write(self, bad: BadRow, /) -> None:
        """Keep the row as it stands, with place and reason in a column ``reason`` beside it."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class FileSource(TickSource, Protocol):
    """A source that can write rows of its own kind."""

    @property
    def kind(self) -> Kind:
        """Its format."""
        ...

    @property
    def shape(self) -> object:
        """Its columns: sources of equal kind and shape can share a rejects file."""
        ...

    def rejects_writer(self, path: Path) -> RejectsWriter:
        """A writer of rows of this shape into the new file ``path``."""
        ...
