"""A table as the page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from algo_panda.cli.statistics_view import Shown
from algo_panda.domain.money import plain

MOST_ROWS: Final = 200
"""Strategies, instruments and the like that a table has."""


class Cell(NamedTuple):
    """One field of a table."""

    text: str
    kind: str = "text"
    """``text``, ``number``, ``none`` for a reason why there is no number, ``gain`` or ``loss``."""
    value: str | None = None
    """For programs, as in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows below a head. The first cell of a row names it."""

    name: str
    """An id in the page."""
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    """What is left out, and what else there is to say."""


def count(number: int) -> Cell:
    """A whole number."""
    return Cell(f"{number:,}", "number", str(number))


def money(amount: Decimal) -> Cell:
    """An amount, to two decimals for people."""
    return Cell(f"{amount:,.2f}", "number", plain(amount))


def statistic(shown: Shown) -> Cell:
    """A number, or the reason why there is none."""
    if shown.text is None:
        return Cell(shown.reason or "", "none")
    return Cell(shown.text, "number", str(shown.value))


def counted(name: str, caption: str, what: str, counts: Mapping[str, int], note: str = "") -> Table:
    """How often what happened, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [[Cell(key), count(number)] for key, number in ordered]
    return cut(Table(name=name, caption=caption, head=(what, "count"), rows=rows, note=note))


def named(name: str, caption: str, values: Mapping[str, object], note: str = "") -> Table:
    """Names and values."""
    rows = [
        [Cell(key), Cell("none" if value is None else str(value))] for key, value in values.items()
    ]
    return Table(name=name, caption=caption, head=("name", "value"), rows=rows, note=note)


def cut(table: Table, most: int = MOST_ROWS) -> Table:
    """``table`` with its first rows, and a note where there were more."""
    if len(table.rows) <= most:
        return table
    left = f"The first {most:,} of {len(table.rows):,} rows; the others are left out."
    return Table(
        name=table.name,
        caption=table.caption,
        head=table.head,
        rows=table.rows[:most],
        note=f"{left} {table.note}".strip(),
    )
