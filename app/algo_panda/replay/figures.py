"""A statistic: a number, or why there is none."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Never, TypeVar

Number_co = TypeVar("Number_co", bound=float | Decimal, covariant=True)


@dataclass(frozen=True, slots=True)
class Figure(Generic[Number_co]):
    """Either has a value, or says why not."""

    value: Number_co | None
    reason: str | None = None
    """A few words for people; None where there is a value."""


def no_figure(reason: str) -> Figure[Never]:
    """There is no number."""
    return Figure(None, reason)


def too_few(have: int, need: int, what: str) -> str | None:
    """Why ``have`` are not enough; None where they are.

    Args:
        have: how many there are.
        need: how many it takes.
        what: of what, in the singular.
    """
    return None if have >= need else f"{have:,} {what}{'' if have == 1 else 's'}; needs {need:,}"
