"""One strategy on one instrument: processor, validator, configuration, context."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from app.domain.capabilities import Capabilities
from app.domain.config import ExecutionContext, StrategyConfig
from app.domain.inference import InferenceRequest
from app.domain.market import MarketTick
from app.domain.protocols import BatchesInference, StrategyProcessor, StrategyValidator
from app.domain.signals import SignalResult
from app.domain.trading import RejectionCode, Violation


class Emitted(NamedTuple):
    """The signal stands."""

    result: SignalResult


_NewEmitted = Callable[[type[Emitted], tuple[SignalResult]], Emitted]
_emitted = cast("_NewEmitted", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``Emitted(...)`` in half its time: one is made for every signal."""


class Refused(NamedTuple):
    """The validator refused the signal."""

    result: SignalResult
    violation: Violation


class NotASignalError(TypeError):
    """A processor returned something that is neither a ``SignalResult`` nor None."""


class NotAViolationError(TypeError):
    """A validator returned something that is neither a ``Violation`` nor None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyExecutor:
    """Composes what one strategy needs on one instrument."""

    processor: StrategyProcessor
    validator: StrategyValidator
    config: StrategyConfig
    context: ExecutionContext
    capabilities: Capabilities

    def supports(self, instrument_token: int) -> bool:
        """Whether ticks of this instrument are for this executor."""
        return instrument_token == self.context.instrument_token

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> Emitted | Refused | None:
        """Ask the processor, then the validator; None where the processor says nothing.

        Raises:
            NotASignalError: the processor returned something else.
            NotAViolationError: the validator did.
            Exception: whatever either raises.
        """
        result = self.processor.process_tick(tick, history)
        return None if result is None else self._judged(result, tick)

    def prepare_tick(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> InferenceRequest | Emitted | Refused | None:
        """Ask the processor, which has to offer it, up to its question to a model.

        Raises:
            Exception: as ``process_tick``.
        """
        processor = cast("BatchesInference", self.processor)
        result = processor.prepare_tick(tick, history)
        if result is None or type(result) is InferenceRequest:
            return result
        return self._judged(cast("SignalResult", result), tick)

    def conclude_tick(
        self, tick: MarketTick, request: InferenceRequest, answer: object
    ) -> Emitted | Refused | None:
        """Tell the processor the answer; what it says is what ``process_tick`` would have.

        Raises:
            Exception: as ``process_tick``.
        """
        processor = cast("BatchesInference", self.processor)
        result = processor.conclude_tick(tick, request, answer)
        return None if result is None else self._judged(result, tick)

    def _judged(self, result: SignalResult, tick: MarketTick) -> Emitted | Refused:
        if not isinstance(result, SignalResult):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise NotASignalError(
                f"process_tick returned {type(result).__name__}, not SignalResult or None"
            )
        violation = self.validator.validate_signal(result, tick)
        if violation is None:
            return _emitted(Emitted, (result,))
        if not isinstance(violation, Violation):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise NotAViolationError(
                f"validate_signal returned {type(violation).__name__}, not Violation or None"
            )
        if not isinstance(violation.code, RejectionCode):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise NotAViolationError(f"{violation.code!r} is no RejectionCode")
        return Refused(result=result, violation=violation)
