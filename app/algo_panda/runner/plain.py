"""Fields of a signal as plain values: what a strategy puts into them may be of any class."""

import struct
from collections.abc import Callable
from decimal import Decimal
from operator import index
from typing import Any, Final, cast

from algo_panda.domain.containment import is_interrupt, name_of
from algo_panda.domain.signals import SignalResult, SignalType, new_result
from algo_panda.domain.trading import RejectionCode
from algo_panda.runner.explain import described

_TYPES: Final[dict[str, str]] = {kind.value: kind for kind in SignalType}
_PLAIN: Final[frozenset[type]] = frozenset({int, float, bool, str, bytes, Decimal, type(None)})
"""Types whose values run no code of a strategy."""
_DOUBLE: Final = struct.Struct("<d")


class UnusableValueError(ValueError):
    """A field of a signal has a value that cannot be read as what the field holds."""

    def __init__(self, code: RejectionCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def exact(result: SignalResult) -> SignalResult:
    """Return ``result``, of a class derived from ``SignalResult``, as one itself.

    What its class does when a field is read is not asked.
    """
    fields = cast("Any", tuple).__getitem__(result, slice(5))
    return new_result(SignalResult, fields)


def plain_values(
    signal_type: object, confidence: object, quantity: object
) -> tuple[object, object, object]:
    """Return these fields of a signal as plain values, which run no code of a strategy any more.

    Values of plain types stay what they are, invalid ones too: they are refused where the signal
    is written.

    Raises:
        UnusableValueError: a field cannot be read; the message names it.
    """
    if type(signal_type) is not SignalType:
        signal_type = _plain("signal type", signal_type, _plain_text)
    if type(confidence) not in _PLAIN:
        confidence = _plain("confidence", confidence, _plain_float)
    if type(quantity) not in _PLAIN:
        quantity = _plain("quantity", quantity, index, RejectionCode.INVALID_QUANTITY)
    return signal_type, confidence, quantity


def _plain(
    field: str,
    value: object,
    convert: Callable[[Any], object],
    code: RejectionCode = RejectionCode.INVALID_SIGNAL,
) -> object:
    try:
        return convert(value)
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise UnusableValueError(
            code, f"{field} is of type {name_of(value)} and cannot be read: {described(error)}"
        ) from error


def _plain_text(value: Any) -> str:  # noqa: ANN401 - it may be anything
    text = str.__str__(value)
    return _TYPES.get(text, text)


def _plain_float(value: Any) -> object:  # noqa: ANN401 - it may be anything
    return _DOUBLE.unpack(_DOUBLE.pack(value))[0]
