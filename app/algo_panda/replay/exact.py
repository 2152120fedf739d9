"""Sums of money that come out exact, whatever a strategy did to the thread's decimal context."""

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

from algo_panda.domain.money import PRICE_SCALE

_P = ParamSpec("_P")
_T = TypeVar("_T")

_EXACT = Context(prec=100)
"""More digits than any sum or product of prices, quantities and fees has."""

_SMALLEST = Decimal("1E-8")
"""The scale of prices and fees on the wire."""


def exactly(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """``function`` in a decimal context of our own, in which sums and products are exact."""

    @wraps(function)
    def in_context(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with localcontext(_EXACT):
            return function(*args, **kwargs)

    return in_context


def divided(amount: int, by: int) -> int:
    """``amount / by`` as a whole number, the nearest, or of two the even one.

    Args:
        amount: of any sign.
        by: above 0.
    """
    whole, rest = divmod(amount, by)
    twice = 2 * rest
    return whole + 1 if twice > by or (twice == by and whole % 2) else whole


def share(amount: int, quantity: int, whole: int) -> int:
    """The part of ``amount`` that falls to ``quantity`` of ``whole``.

    All of it falls to the whole: whoever hands out shares and takes each from what is left
    has handed out ``amount`` to the last digit.
    """
    return amount if quantity == whole else divided(amount * quantity, whole)


def rounded(amount: Decimal) -> Decimal:
    """``amount`` to eight decimals."""
    return amount.quantize(_SMALLEST)


def as_money(raw: int) -> Decimal:
    """``raw``, in ``10**-8``, as the exact amount that it is."""
    return Decimal(raw).scaleb(-PRICE_SCALE, _EXACT)
