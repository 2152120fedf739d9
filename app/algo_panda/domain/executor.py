"""One strategy on one instrument: processor, validator, configuration, context."""

from collections.abc import Callable, Sequence
from decimal import Context, setcontext
from typing import Any, Final, cast

from algo_panda.domain.arithmetic import computing_in, new_context
from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.containment import text_of
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.outcome import NotASignalError, NotAViolationError, Refused, as_bool
from algo_panda.domain.protocols import StrategyProcessor, StrategyValidator
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import RejectionCode, Violation

_RESULT: Final = SignalResult


class StrategyExecutor:
    """Composes what one strategy needs on one instrument.

    Processor and validator are asked as ``Any``: what they return is looked at, not believed.
    """

    __slots__ = (
        "arithmetic",
        "capabilities",
        "config",
        "context",
        "processor",
        "validator",
        "validator_arithmetic",
    )

    def __init__(
        self,
        *,
        processor: StrategyProcessor,
        validator: StrategyValidator,
        config: StrategyConfig,
        context: ExecutionContext,
        capabilities: Capabilities,
        arithmetic: Context | None = None,
        validator_arithmetic: Context | None = None,
    ) -> None:
        """Put together what belongs together.

        Args:
            processor: of the strategy on this instrument.
            validator: of the strategy.
            config: of the strategy.
            context: of this instrument.
            capabilities: what the processor has.
            arithmetic: decimal context of the processor; None: a new one. Whoever calls a method
                of the processor makes it current before.
            validator_arithmetic: decimal context of the validator here; None: a new one.
        """
        self.processor = processor
        self.validator = validator
        self.config = config
        self.context = context
        self.capabilities = capabilities
        self.arithmetic = new_context() if arithmetic is None else arithmetic
        self.validator_arithmetic = (
            new_context() if validator_arithmetic is None else validator_arithmetic
        )

    def supports(self, instrument_token: int) -> bool:
        """Return whether ticks of this instrument are for this executor."""
        return instrument_token == self.context.instrument_token

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> SignalResult | Refused | None:
        """Ask the processor, then the validator: a signal that it lets pass, or its refusal.

        None where the processor says nothing.

        Raises:
            NotASignalError: the processor returned something else.
            NotAViolationError: the validator did.
            BaseException: whatever either raises.
        """
        result: object = cast("Any", self.processor).process_tick(tick, history)
        return None if result is None else self.judged(result, tick)

    def prepare_tick(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> InferenceRequest | SignalResult | Refused | None:
        """Ask the processor, which has to offer it, up to its question to a model.

        Raises:
            BaseException: as ``process_tick``.
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
            BaseException: as ``process_tick``.
        """
        result: object = cast("Any", self.processor).conclude_tick(tick, request, answer)
        return None if result is None else self.judged(result, tick)

    def judged(self, result: object, tick: MarketTick) -> SignalResult | Refused:
        """What the validator makes of what the processor returned, which is not None.

        The decimal context of the validator stays current.

        Raises:
            NotASignalError: it is something else than a signal.
            NotAViolationError: the validator returned something else than it may.
            BaseException: whatever the validator raises.
        """
        if not isinstance(result, _RESULT):
            raise NotASignalError(
                f"process_tick returned {type(result).__name__}, not SignalResult or None"
            )
        setcontext(self.validator_arithmetic)
        violation: object = cast("Any", self.validator).validate_signal(result, tick)
        if violation is None or violation is True:
            return result
        if not isinstance(violation, Violation):
            return result if self._is_valid(violation) else self._refused(result)
        code: object = cast("Any", violation).code
        if not isinstance(code, RejectionCode):
            raise NotAViolationError(f"{code!r} is no RejectionCode")
        if type(violation) is not Violation:
            # Read once, here: a property of a class of its own may raise at any later time.
            violation = Violation(code=code, reason=text_of(cast("Any", violation).reason))
        return Refused(result=result, violation=violation)

    def _is_valid(self, answer: object) -> bool:
        is_valid = as_bool(answer)
        if is_valid is None:
            raise NotAViolationError(
                f"validate_signal returned {type(answer).__name__}, not bool, Violation or None"
            )
        return is_valid

    def _refused(self, result: SignalResult) -> Refused:
        """Return the refusal by a validator that gave no reason."""
        name = type(self.validator).__name__
        reason = f"validator {self.config.validator} ({name}) returned False"
        return Refused(
            result=result, violation=Violation(code=RejectionCode.INVALID_SIGNAL, reason=reason)
        )


class MultiInstrumentExecutor(StrategyExecutor):
    """A strategy on all its instruments, for use without a runner.

    State never mixes instruments: each has a processor of its own, made when its first tick
    arrives. ``processor`` is the one of the first instrument. A processor with a model loads it
    before its first tick. History, bars, warm-up and snapshots are the runner's work, which uses
    one ``StrategyExecutor`` per instrument.
    """

    __slots__ = ("_create", "_first", "_started")

    def __init__(
        self, *, first: StrategyExecutor, create: Callable[[int], StrategyExecutor]
    ) -> None:
        """Put together a strategy.

        Args:
            first: the strategy on its first instrument.
            create: makes the strategy on another one.
        """
        super().__init__(
            processor=first.processor,
            validator=first.validator,
            config=first.config,
            context=first.context,
            capabilities=first.capabilities,
            arithmetic=first.arithmetic,
            validator_arithmetic=first.validator_arithmetic,
        )
        self._create = create
        self._started: dict[int, StrategyExecutor] = {}
        self._first = first

    def supports(self, instrument_token: int) -> bool:
        """Return whether the strategy is configured for this instrument."""
        return instrument_token in self.config.instruments

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> SignalResult | Refused | None:
        """Process a tick of any of the strategy's instruments.

        Raises:
            ValueError: the tick is of another instrument, or the model could not be loaded.
            BaseException: as ``StrategyExecutor.process_tick``.
        """
        token = tick.instrument_token
        executor = self._started.get(token)
        if executor is None:
            executor = self._started[token] = self._start(token)
        with computing_in(executor.arithmetic):
            return executor.process_tick(tick, history)

    def _start(self, token: int) -> StrategyExecutor:
        executor = self._first if token == self.context.instrument_token else self._create(token)
        if executor.capabilities.load_model:
            with computing_in(executor.arithmetic):
                loaded: object = cast("Any", executor.processor).load_model()
            if not loaded:
                raise ValueError(
                    f"the model of strategy {self.config.strategy_id} could not be loaded on"
                    f" instrument {token}: load_model returned {loaded!r}"
                )
        return executor
