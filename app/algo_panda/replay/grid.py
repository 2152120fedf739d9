"""The parameter values that a sweep goes through: every combination of the values of each."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import prod
from typing import Any

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.money import plain

MOST_COMBINATIONS = 10_000

_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::({_NUMBER}))?", re.ASCII)
_FORM = "write it as period=7..28:7, or period=7,14,21"

ReadValue = Callable[[str, str], Any]
"""The value that a parameter, named first, is given by a text."""


class GridError(ConfigurationError):
    """A sweep cannot be done as it is written; the message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A parameter and the values it is to have, in the order in which they were named."""

    name: str
    values: tuple[Any, ...]
    """As JSON has them; at least one, and no two alike."""

    @classmethod
    def parse(cls, text: str, read: ReadValue) -> "Axis":
        """The axis in ``period=7..28:7,50``; ``[...]`` holds values as JSON.

        A range has both ends, where its steps reach the last one. Without a step, it goes by one.

        Raises:
            GridError: it is of no such form, or has no values, or one of them twice.
        """
        name, equals, listed = text.partition("=")
        if not name or not equals or not listed:
            raise GridError(f"--sweep {text}: {_FORM}")
        values = tuple(_values(text, name, listed, read))
        if not values:
            raise GridError(f"--sweep {text}: there is no value in it")
        seen: set[str] = set()
        for value in values:
            is_whole = isinstance(value, float) and value.is_integer()
            written = json.dumps(int(value) if is_whole else value, sort_keys=True)
            if written in seen:
                raise GridError(f"--sweep {text}: {written} is in it twice")
            seen.add(written)
        return cls(name=name, values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A value for every parameter that is swept."""

    number: int
    """Its place in the grid, from 1."""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All combinations of the values of some axes; the last axis changes fastest.

    Raises:
        GridError: an axis is there twice, or there are too many combinations.
    """

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise GridError(f"--sweep names {name} more than once")
        if len(self) > MOST_COMBINATIONS:
            raise _too_many(f"--sweep makes {len(self):,} combinations")

    def __len__(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    def __iter__(self) -> Iterator[Combination]:
        names = [axis.name for axis in self.axes]
        for number, values in enumerate(product(*(axis.values for axis in self.axes)), start=1):
            yield Combination(number=number, parameters=dict(zip(names, values, strict=True)))


def _values(text: str, name: str, listed: str, read: ReadValue) -> Iterator[Any]:
    if listed.startswith("["):
        values = read(name, listed)
        yield from values
        return
    if listed.startswith("{"):  # an object has commas of its own
        yield read(name, listed)
        return
    for part in listed.split(","):
        if not part:
            raise GridError(f"--sweep {text}: a value is empty; {_FORM}")
        span = _RANGE.fullmatch(part)
        if span is None:
            if ".." in part and part[0] in "-0123456789":
                raise GridError(f"--sweep {text}: {part} is no range; {_FORM}")
            yield read(name, part)
        else:
            yield from (read(name, step) for step in _steps(text, *span.groups()))


def _steps(text: str, first: str, last: str, step: str | None) -> Sequence[str]:
    """The numbers of a range, exactly as they would be written one by one."""
    start, stop = Decimal(first), Decimal(last)
    if step is None and not (start == int(start) and stop == int(stop)):
        raise GridError(f"--sweep {text}: say in what steps, as in 0.1..0.5:0.1")
    by = Decimal(step or 1)
    if by <= 0:
        raise GridError(f"--sweep {text}: the step of a range is above 0")
    if start > stop:
        raise GridError(f"--sweep {text}: {first} is above {last}")
    count = int((stop - start) / by) + 1
    if count > MOST_COMBINATIONS:
        raise _too_many(f"--sweep {text} has {count:,} values")
    return [plain(start + by * number) for number in range(count)]


def _too_many(what: str) -> GridError:
    return GridError(f"{what}, and at most {MOST_COMBINATIONS:,} runs are made at a time")
