"""Sums of money that come out exact, whatever a strategy did to the thread's decimal context."""

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_EXACT = Context(prec=100)
"""More digits than any sum or product of prices, quantities and fees has."""
_SMALLEST = Decimal("1E-8")
"""Shares are rounded to this: the scale of prices and fees on the wire."""


def exactly(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """``function`` in a decimal context of our own, in which sums and products are exact."""

    @wraps(function)
    def in_context(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with localcontext(_EXACT):
            return function(*args, **kwargs)

    return in_context


def share(amount: Decimal, quantity: int, whole: int) -> Decimal:
    """The part of ``amount`` that falls to ``quantity`` of ``whole``, to eight decimals.

    All of it falls to the whole: whoever hands out shares and takes each from what is left
    has handed out ``amount`` to the last digit.
    """
    return amount if quantity == whole else rounded(amount * quantity / whole)


def rounded(amount: Decimal) -> Decimal:
    """``amount`` to eight decimals."""
    return amount.quantize(_SMALLEST)
