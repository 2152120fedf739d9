"""One function per rule that a signal must keep: small, pure, and put together in tuples.

A signal may hold values of any type, so its fields are read as ``Any``: what they are is for the
rules to find out.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, cast

from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import PRICE_SCALE, PriceError, plain, to_raw
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.domain.trading import RejectionCode, Violation

Check = Callable[[SignalResult, MarketTick], Violation | None]
"""What is wrong with a signal at a tick, or None."""

_TYPE: Final = SignalType
_HOLD: Final = SignalType.HOLD
_DECIMAL: Final = Decimal
_MAX_QUANTITY: Final = 9_223_372_036_854_775_807  # as records hold it
_LARGE: Final = 1 << 60
_MICROS_PER_SECOND: Final = 1_000_000


def _fields(signal: SignalResult) -> tuple[Any, ...]:
    """Its fields, whatever they are; by place they are found sooner than by name."""
    return cast("tuple[Any, ...]", signal)


def known_type(signal: SignalResult, _tick: MarketTick) -> Violation | None:
    """The type is one of ``SignalType``."""
    said: object = _fields(signal)[0]
    if type(said) is _TYPE:
        return None
    return Violation(
        code=RejectionCode.INVALID_SIGNAL_TYPE,
        reason=f"signal type {said!r} is not one of BUY, SELL, HOLD",
    )


def confidence_in_range(signal: SignalResult, _tick: MarketTick) -> Violation | None:
    """The confidence is a number from 0 to 1."""
    confidence: Any = _fields(signal)[1]
    if type(confidence) is float:
        number: float = confidence
        if 0.0 <= number <= 1.0:
            return None
    elif 0 <= confidence <= 1:
        return None
    return Violation(
        code=RejectionCode.INVALID_CONFIDENCE,
        reason=f"confidence {confidence} is not from 0 to 1",
    )


def positive_quantity(signal: SignalResult, _tick: MarketTick) -> Violation | None:
    """The quantity is a whole number above 0; 0 will do for HOLD, which is never an order."""
    given = _fields(signal)
    quantity: Any = given[2]
    if type(quantity) is int:
        units: int = quantity
        # Two limits, for compiled code compares larger numbers than the first by a detour.
        if units >= (0 if given[0] is _HOLD else 1) and (units < _LARGE or units <= _MAX_QUANTITY):
            return None
    return Violation(
        code=RejectionCode.INVALID_QUANTITY,
        reason=f"quantity {quantity!r} is not a whole number above 0 (of at most 64 bits)",
    )


def positive_price(signal: SignalResult, _tick: MarketTick) -> Violation | None:
    """The price is a ``Decimal`` above 0 of at most 8 decimals and 18 digits."""
    price: Any = _fields(signal)[3]
    if type(price) is not _DECIMAL:
        return _bad_price(f"price {price!r} is no Decimal")
    try:
        raw = to_raw(price)
    except PriceError as error:
        return _bad_price(str(error))
    return None if raw > 0 else _bad_price(f"price {price} is not above 0")


def well_formed(signal: SignalResult, tick: MarketTick) -> Violation | None:
    """Type, confidence, quantity and price are such: the rules above, in their order."""
    return (
        known_type(signal, tick)
        or confidence_in_range(signal, tick)
        or positive_quantity(signal, tick)
        or positive_price(signal, tick)
    )


def price_near_tick(max_deviation: Decimal) -> Check:
    """The price is at most ``max_deviation`` (a fraction) of the tick's price away from it."""
    numerator, denominator = max_deviation.as_integer_ratio()

    def check(signal: SignalResult, tick: MarketTick) -> Violation | None:
        raw, at = to_raw(_fields(signal)[3]), tick.price_raw
        if raw == at or abs(raw - at) * denominator <= numerator * at:
            return None
        return Violation(
            code=RejectionCode.PRICE_OUTSIDE_BAND,
            reason=(
                f"price {plain(signal.price)} is more than {plain(max_deviation * 100)} % away"
                f" from the tick's {plain(tick.last_price)}"
            ),
        )

    return check


def min_confidence(least: float) -> Check:
    """The confidence is ``least`` or more."""

    def check(signal: SignalResult, _tick: MarketTick) -> Violation | None:
        if cast("Any", signal).confidence >= least:
            return None
        return Violation(
            code=RejectionCode.CONFIDENCE_TOO_LOW,
            reason=f"confidence {signal.confidence} is below {least}",
        )

    return check


def max_quantity(most: int) -> Check:
    """The quantity is ``most`` or less."""

    def check(signal: SignalResult, _tick: MarketTick) -> Violation | None:
        if cast("Any", signal).quantity <= most:
            return None
        return Violation(
            code=RejectionCode.QUANTITY_EXCEEDS_MAXIMUM,
            reason=f"quantity {signal.quantity} is above {most}",
        )

    return check


def max_notional(most: Decimal) -> Check:
    """Quantity times price is ``most`` or less, in the instrument's currency."""
    numerator, denominator = most.as_integer_ratio()
    limit = numerator * 10**PRICE_SCALE

    def check(signal: SignalResult, _tick: MarketTick) -> Violation | None:
        given = cast("Any", signal)
        if given.quantity * to_raw(given.price) * denominator <= limit:
            return None
        return Violation(
            code=RejectionCode.NOTIONAL_EXCEEDS_MAXIMUM,
            reason=f"notional {plain(signal.quantity * signal.price)} is above {plain(most)}",
        )

    return check


def max_tick_age(seconds: Decimal) -> Check:
    """The broker got the tick at most ``seconds`` after it happened.

    Where the time of receipt is unknown there is no age to judge, and the check passes: ticks
    off Kafka always have it, those of a file replayed without a broker never do.
    """
    most = int(seconds * _MICROS_PER_SECOND)

    def check(_signal: SignalResult, tick: MarketTick) -> Violation | None:
        received = tick.received_time_us
        if not received or received - tick.event_time_us <= most:
            return None
        age = Decimal(received - tick.event_time_us) / _MICROS_PER_SECOND
        return Violation(
            code=RejectionCode.TICK_TOO_OLD,
            reason=f"the tick was {plain(age)} s old when received, more than {plain(seconds)} s",
        )

    return check


def _bad_price(reason: str) -> Violation:
    return Violation(code=RejectionCode.INVALID_PRICE, reason=reason)
