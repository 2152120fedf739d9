"""What becomes of a tick that a strategy was handed."""

from typing import NamedTuple

from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import Violation


class Refused(NamedTuple):
    """The validator refused the signal."""

    result: SignalResult
    violation: Violation


class Failed(NamedTuple):
    """It raised."""

    error: BaseException


Outcome = InferenceRequest | SignalResult | Refused | Failed | None
"""What a strategy has come to on a tick; a ``SignalResult`` is one that its validator let pass."""


class NotASignalError(TypeError):
    """A processor returned something that is neither a ``SignalResult`` nor None."""


class NotAViolationError(TypeError):
    """A validator returned something that is neither a ``Violation`` nor None."""
