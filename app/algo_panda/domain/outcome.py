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
    """A validator returned something that is neither ``bool``, nor a ``Violation``, nor None."""


def as_bool(answer: object) -> bool | None:
    """Return a truth value as ``bool``, one of NumPy as well; None if ``answer`` is not one."""
    if isinstance(answer, bool):
        return answer
    kind = type(answer)
    if kind.__module__ == "numpy" and kind.__name__ in {"bool", "bool_"}:
        return bool(answer)
    return None
