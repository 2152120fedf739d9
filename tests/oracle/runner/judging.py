"""What becomes of the answer of a strategy: a signal, a refusal with its code, or a failure."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.domain.trading import RejectionCode, Violation
from tests.oracle.runner.bars import price as price_of

_TYPES = frozenset({"BUY", "SELL", "HOLD"})
_LONGEST_REASONING = 10_000
_LONGEST_REASON = 500


class Refused(NamedTuple):
    """A signal that becomes a rejection."""

    codes: frozenset[str]
    """One of them is its code: more than one rule may be broken at once."""
    named: tuple[str, ...] = ()
    """What its reason contains."""
    reason: str | None = None
    """The whole reason, if it is the user's own."""


class Invalid(TypeError):  # noqa: N818 - the strategy's error, by another name
    """A strategy or a validator returned something that it must not."""


def judged(
    result: Any, tick: MarketTick, config: StrategyConfig, validator: Any
) -> SignalResult | Refused:
    """Return the signal, if validator and runner let it pass.

    Args:
        result: what the strategy returned, other than None.
        tick: that it was given.
        config: of the strategy.
        validator: the user's own; None for those of the package.

    Raises:
        BaseException: the tick is lost, and counts as a failure.
    """
    if not isinstance(result, SignalResult):
        raise Invalid(f"process_tick returned {type(result).__name__}")
    refused = (
        _by_rules(result, tick, config)
        if validator is None
        else _by_user(validator.validate_signal(result, tick), config)
    )
    return refused or _by_runner(result) or result


def _by_user(answer: Any, config: StrategyConfig) -> Refused | None:
    if isinstance(answer, Violation):
        if not isinstance(answer.code, RejectionCode):
            raise Invalid("the code of a violation is none")
        return Refused(frozenset({answer.code.name}), reason=stored(answer.reason))
    if answer is None or answer is True:
        return None
    if answer is False:
        return Refused(frozenset({"INVALID_SIGNAL"}), (f"{config.validator_type}", "False"))
    if type(answer).__module__ == "numpy" and type(answer).__name__ in ("bool", "bool_"):
        return _by_user(bool(answer), config)
    raise Invalid(f"validate_signal returned {type(answer).__name__}")


# The rules of standard and strict_risk, in the order of the table in the documentation.

_Rule = Callable[[SignalResult, MarketTick, Mapping[str, Any]], Refused | None]


def _by_rules(result: SignalResult, tick: MarketTick, config: StrategyConfig) -> Refused | None:
    rules: dict[str, tuple[_Rule, ...]] = {"standard": _STANDARD, "strict_risk": _STRICT}
    given = config.parameters.get("validation", {})
    for rule in rules[config.validator_type or "standard"]:
        refused = rule(result, tick, given)
        if refused is not None:
            return refused
    return None


def _refused(code: str, *named: object) -> Refused:
    return Refused(frozenset({code}), tuple(plain(one) for one in named))


def _type(result: SignalResult, _tick: MarketTick, _given: Mapping[str, Any]) -> Refused | None:
    kind = result.signal_type
    return None if type(kind) is SignalType else _refused("INVALID_SIGNAL_TYPE", kind)


def _confidence(result: SignalResult, _t: MarketTick, _given: Mapping[str, Any]) -> Refused | None:
    confidence = result.confidence
    return None if 0 <= confidence <= 1 else _refused("INVALID_CONFIDENCE", confidence)


def _quantity(result: SignalResult, _tick: MarketTick, _given: Mapping[str, Any]) -> Refused | None:
    least = 0 if result.signal_type == "HOLD" else 1
    quantity = result.quantity
    is_valid = type(quantity) is int and least <= quantity < 2**63
    return None if is_valid else _refused("INVALID_QUANTITY", quantity)


def _price(result: SignalResult, _tick: MarketTick, _given: Mapping[str, Any]) -> Refused | None:
    is_valid = _is_price(result.price) and result.price > 0
    return None if is_valid else _refused("INVALID_PRICE", str(result.price))


def _band(result: SignalResult, tick: MarketTick, given: Mapping[str, Any]) -> Refused | None:
    most = Decimal(str(given.get("max_price_deviation", "0.05")))
    at = price_of(tick.price_raw)
    if abs(result.price - at) <= most * at:
        return None
    return _refused("PRICE_OUTSIDE_BAND", result.price, most * 100, at)


def _sure(result: SignalResult, _tick: MarketTick, given: Mapping[str, Any]) -> Refused | None:
    least = given.get("min_confidence", 0.75)
    if result.confidence >= least:
        return None
    return _refused("CONFIDENCE_TOO_LOW", str(result.confidence), str(least))


def _small(result: SignalResult, _tick: MarketTick, given: Mapping[str, Any]) -> Refused | None:
    most = given.get("max_quantity", 10_000)
    if result.quantity <= most:
        return None
    return _refused("QUANTITY_EXCEEDS_MAXIMUM", result.quantity, most)


def _cheap(result: SignalResult, _tick: MarketTick, given: Mapping[str, Any]) -> Refused | None:
    most = Decimal(str(given.get("max_notional", 1_000_000)))
    notional = result.quantity * result.price
    return None if notional <= most else _refused("NOTIONAL_EXCEEDS_MAXIMUM", notional, most)


def _young(_result: SignalResult, tick: MarketTick, given: Mapping[str, Any]) -> Refused | None:
    most = Decimal(str(given.get("max_tick_age_seconds", 5)))
    age = Decimal(tick.received_time_us - tick.event_time_us) / 1_000_000
    if not tick.received_time_us or age <= most:
        return None
    return _refused("TICK_TOO_OLD", age, most)


_STANDARD: tuple[_Rule, ...] = (_type, _confidence, _quantity, _price, _band)
_STRICT: tuple[_Rule, ...] = (*_STANDARD, _sure, _small, _cheap, _young)


# What the runner itself demands, whatever a validator of the user's own let pass.


def _by_runner(result: SignalResult) -> Refused | None:
    reasoning = result.reasoning
    codes: set[str] = set()
    if reasoning is not None and not _is_text(reasoning):
        codes.add("INVALID_SIGNAL")
    if result.signal_type not in _TYPES:
        codes |= {"INVALID_SIGNAL", "INVALID_SIGNAL_TYPE"}
    if not _is_share(result.confidence):
        codes |= {"INVALID_CONFIDENCE", "INVALID_SIGNAL"}
    if not (isinstance(result.quantity, int) and 0 <= result.quantity < 2**63):
        codes |= {"INVALID_QUANTITY", "INVALID_SIGNAL"}
    if not (_is_price(result.price) and result.price > 0):
        codes.add("INVALID_PRICE")
    return Refused(frozenset(codes)) if codes else None


def _is_text(text: Any) -> bool:
    if type(text) is not str or len(text) > _LONGEST_REASONING:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_share(number: Any) -> bool:
    return isinstance(number, (int, float)) and isfinite(number) and 0 <= number <= 1


def _is_price(price: Any) -> bool:
    """Return whether it is a Decimal of at most 8 decimals and 18 digits."""
    if type(price) is not Decimal or not price.is_finite():
        return False
    _, digits, exponent = price.as_tuple()
    assert isinstance(exponent, int)
    while len(digits) > 1 and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    if digits == (0,):
        return True
    return exponent >= -8 and len(digits) + exponent + 8 <= 18


# Texts


def plain(value: object) -> str:
    """Return a value as reasons name it: numbers without exponent and trailing zeros."""
    if not isinstance(value, Decimal) or not value.is_finite():
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stored(text: object) -> str:
    """Return a user's text as records hold it: valid Unicode without NUL, of 500 characters."""
    whole = str(text)
    cut = whole if len(whole) <= _LONGEST_REASON else f"{whole[:_LONGEST_REASON]}…"
    return cut.encode("utf-8", "replace").decode().replace("\0", "?")
