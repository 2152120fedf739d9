"""Prices between ``Decimal`` and whole numbers of one fixed decimal scale.

Inside, a price is a whole number of ``10**-8``: exact, quick to add and to compare. At every
border to people or programs it is a ``Decimal``. Eight places hold every quote that exchanges
publish today (currency derivatives: seven; crypto: eight).
"""

from decimal import Context, Decimal
from functools import lru_cache
from typing import Final

PRICE_SCALE = 8
"""Decimal places of a raw price."""

PRICE_PRECISION = 18
"""Most digits of a raw price, so that it fits a signed 64-bit integer."""

_CONTEXT = Context(prec=28)
"""Of our own: a strategy may set the thread's to anything."""


_REMEMBERED = 16_384
"""Conversions of what strategies made themselves: the same prices come again and again."""

_REMEMBERED_TYPES: Final = frozenset({Decimal, int, str, float})

_PLACES: Final = 2_039
_made: Final[list[tuple[int, Decimal]]] = [(0, Decimal(0))] * _PLACES
"""What ``from_raw`` gave, each at the place that its number has modulo a prime; the next one there
takes it. Few, so that they stay in the processor's cache: to wait for one that does not takes
longer than to make it."""

_UNIT: Final = Decimal(10**PRICE_SCALE)
_SMALL: Final = 1 << 60


class _Latest:
    """What ``from_raw`` gave last, and of what: as a rule, what ``to_raw`` is asked for next."""

    def __init__(self) -> None:
        self.known: tuple[object, int] = (object(), 0)


_latest: Final = _Latest()


class PriceError(ValueError):
    """A number that cannot stand as a price: not finite, too large, or too many decimals."""


def to_raw(price: Decimal | int | str) -> int:
    """``price`` as a whole number of ``10**-8``.

    Raises:
        PriceError: not a finite number, more than 8 decimal places, or 18 digits in all.
    """
    latest, raw = _latest.known
    if price is latest:
        return raw
    try:
        if type(price) not in _REMEMBERED_TYPES:
            # Not kept: what is kept is compared with the prices of all strategies, and the class
            # of this one may raise then.
            return _converted(price)
        return _to_raw(price)
    except TypeError as error:  # a signalling NaN cannot even be looked up
        raise PriceError(f"{price!r} is not a finite decimal number") from error


@lru_cache(_REMEMBERED)
def _to_raw(price: Decimal | int | str) -> int:
    return _converted(price)


def _converted(price: Decimal | int | str) -> int:
    try:
        number = Decimal(price)
        scaled = number.scaleb(PRICE_SCALE, _CONTEXT)
        too_large = bool(scaled) and scaled.adjusted() >= PRICE_PRECISION
        raw = 0 if too_large else int(scaled)  # 1E+900000 would take half a minute
    except (ArithmeticError, ValueError) as error:
        raise PriceError(f"{price!r} is not a finite decimal number") from error
    if too_large:
        raise PriceError(f"{price} has more than {PRICE_PRECISION} digits")
    if Decimal(raw).scaleb(-PRICE_SCALE, _CONTEXT) != number:  # not scaled, which is rounded
        raise PriceError(f"{price} has more than {PRICE_SCALE} decimal places")
    return raw


def from_raw(raw: int) -> Decimal:
    """The price that ``raw`` stands for, without trailing zeros beyond the point."""
    place = raw % _PLACES
    made_of, price = _made[place]
    if made_of != raw:
        price = _from_raw(raw)
        _made[place] = (raw, price)
    _latest.known = (price, raw)
    return price


def _from_raw(raw: int) -> Decimal:
    if -_SMALL < raw < _SMALL:
        return _CONTEXT.divide(raw, _UNIT)  # exact, and as short as it can be without an exponent
    whole, fraction = divmod(raw, 10**PRICE_SCALE)
    if fraction == 0:
        return Decimal(whole)
    return Decimal(raw).scaleb(-PRICE_SCALE, _CONTEXT).normalize(_CONTEXT)


def plain(number: Decimal) -> str:
    """``number`` as people write it: no exponent, no trailing zeros."""
    if not number:
        return "0"
    text = format(number, "f")  # to normalize() would round to the context's precision
    return text.rstrip("0").rstrip(".") if "." in text else text
