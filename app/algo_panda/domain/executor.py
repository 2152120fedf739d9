"""One strategy on one instrument: processor, validator, configuration, context."""

from collections.abc import Sequence
from typing import Any, Final, cast

from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.outcome import NotASignalError, NotAViolationError, Refused
from algo_panda.domain.protocols import StrategyProcessor, StrategyValidator
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import RejectionCode, Violation

_RESULT: Final = SignalResult


class StrategyExecutor:
    """Composes what one strategy needs on one instrument.

    Processor and validator are asked as ``Any``: what they return is looked at, not believed.
    """

    __slots__ = ("capabilities", "config", "context", "processor", "validator")

    def __init__(
        self,
        *,
        processor: StrategyProcessor,
        validator: StrategyValidator,
        config: StrategyConfig,
        context: ExecutionContext,
        capabilities: Capabilities,
    ) -> None:
        """Put together what belongs together."""
        self.processor = processor
        self.validator = validator
        self.config = config
        self.context = context
        self.capabilities = capabilities

    def supports(self, instrument_token: int) -> bool:
        """Whether ticks of this instrument are for this executor."""
        return instrument_token == self.context.instrument_token

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> SignalResult | Refused | None:
        """Ask the processor, then the validator: a signal that it lets pass, or its refusal.

        None where the processor says nothing.

        Raises:
            NotASignalError: the processor returned something else.
            NotAViolationError: the validator did.
            Exception: whatever either raises.
        """
        result: object = cast("Any", self.processor).process_tick(tick, history)
        return None if result is None else self.judged(result, tick)

    def prepare_tick(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> InferenceRequest | SignalResult | Refused | None:
        """Ask the processor, which has to offer it, up to its question to a model.

        Raises:
            Exception: as ``process_tick``.
        """
        result: object = cast("Any", self.processor).prepare_tick(tick, history)
        if result is None or type(result) is InferenceRequest:
            return result
        return self.judged(result, tick)

    def conclude_tick(
        self, tick: MarketTick, request: InferenceRequest, answer: object
    ) -> SignalResult | Refused | None:
        """Tell the processor the answer; what it says is what ``process_tick`` would have.

        Raises:
            Exception: as ``process_tick``.
        """
        result: object = cast("Any", self.processor).conclude_tick(tick, request, answer)
        return None if result is None else self.judged(result, tick)

    def judged(self, result: object, tick: MarketTick) -> SignalResult | Refused:
        """What the validator makes of what the processor returned, which is not None.

        Raises:
            NotASignalError: it is something else than a signal.
            NotAViolationError: the validator returned something else than it may.
            Exception: whatever the validator raises.
        """
        if not isinstance(result, _RESULT):
            raise NotASignalError(
                f"process_tick returned {type(result).__name__}, not SignalResult or None"
            )
        violation: object = cast("Any", self.validator).validate_signal(result, tick)
        if violation is None:
            return result
        if not isinstance(violation, Violation):
            raise NotAViolationError(
                f"validate_signal returned {type(violation).__name__}, not Violation or None"
            )
        code: object = cast("Any", violation).code
        if not isinstance(code, RejectionCode):
            raise NotAViolationError(f"{code!r} is no RejectionCode")
        return Refused(result=result, violation=violation)
