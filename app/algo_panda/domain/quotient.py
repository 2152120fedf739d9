"""The quotient of two whole numbers, rounded once: the same float however this code is run."""

import operator
from collections.abc import Callable
from typing import Final, cast

_Division = Callable[[int, int], float]
_true_division = cast(
    "_Division",
    operator.truediv,  # pyright: ignore[reportUnknownMemberType]
)

_EXACT: Final = 2**53
"""Up to here a whole number is a float, exactly."""


def quotient(numerator: int, denominator: int) -> float:
    """``numerator / denominator`` as Python defines it: the float next to the exact quotient.

    Compiled, ``/`` rounds both numbers to floats first, which may give a neighbour of that float
    where one of them has more than 53 bits.

    Raises:
        ZeroDivisionError: ``denominator`` is 0.
    """
    if -_EXACT <= numerator <= _EXACT and -_EXACT <= denominator <= _EXACT:
        return numerator / denominator
    return _true_division(numerator, denominator)
