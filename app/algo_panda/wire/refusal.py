"""What becomes of a signal that its validator let pass and no reader could read."""

from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection, RejectionCode, Stage, Violation
from algo_panda.wire.errors import (
    InvalidConfidenceError,
    InvalidPriceError,
    InvalidQuantityError,
    WireError,
)

_CODES: tuple[tuple[type[WireError], RejectionCode], ...] = (
    (InvalidPriceError, RejectionCode.INVALID_PRICE),
    (InvalidQuantityError, RejectionCode.INVALID_QUANTITY),
    (InvalidConfidenceError, RejectionCode.INVALID_CONFIDENCE),
)


def refusal(signal: TradingSignal, error: WireError) -> Rejection:
    """The rejection that takes the place of ``signal``, which could not be written."""
    code = next(
        (code for kind, code in _CODES if isinstance(error, kind)), RejectionCode.INVALID_SIGNAL
    )
    return Rejection.of_signal(signal, Stage.RUNNER, Violation(code=code, reason=str(error)))
