"""What becomes of a tick that a strategy was handed."""

from collections.abc import Callable
from typing import NamedTuple, cast

from app.domain.inference import InferenceRequest
from app.domain.signals import SignalResult
from app.domain.trading import Violation


class Emitted(NamedTuple):
    """The signal stands."""

    result: SignalResult


_NewEmitted = Callable[[type[Emitted], tuple[SignalResult]], Emitted]
emitted = cast("_NewEmitted", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``Emitted(...)`` in half its time: one is made for every signal."""


class Refused(NamedTuple):
    """The validator refused the signal."""

    result: SignalResult
    violation: Violation


class Failed(NamedTuple):
    """It raised."""

    error: BaseException


Outcome = InferenceRequest | Emitted | Refused | Failed | None
"""What a strategy has come to on a tick."""


class NotASignalError(TypeError):
    """A processor returned something that is neither a ``SignalResult`` nor None."""


class NotAViolationError(TypeError):
    """A validator returned something that is neither a ``Violation`` nor None."""
