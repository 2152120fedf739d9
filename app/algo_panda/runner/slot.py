"""One strategy on one instrument as it runs: isolation, bars, history, provenance."""

from collections.abc import Sequence
from decimal import setcontext
from typing import Any, Final, cast

from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.executor import StrategyExecutor
from algo_panda.domain.history import EMPTY_HISTORY, HistoryBuffer
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import PriceError
from algo_panda.domain.outcome import Failed, Outcome, Refused
from algo_panda.domain.protocols import ConsumesBars
from algo_panda.domain.signals import SignalResult, TradingSignal
from algo_panda.domain.trading import Rejection, RejectionCode, Violation
from algo_panda.runner.checked import model_digest_of, problem_in_reasoning
from algo_panda.runner.environment import SlotEnvironment
from algo_panda.runner.explain import shown
from algo_panda.runner.inference import InferenceBatch, Pending, Said
from algo_panda.runner.plain import UnusableValueError, exact
from algo_panda.runner.slot_state import SlotState
from algo_panda.runner.state import Mark

_REFUSED: Final = Refused
_REQUEST: Final = InferenceRequest
_RESULT: Final = SignalResult
_SIGNAL: Final = TradingSignal


class StrategySlot(SlotState):
    """Runs one executor. A failure of it is counted here and goes no further."""

    def __init__(self, executor: StrategyExecutor, environment: SlotEnvironment) -> None:
        super().__init__(executor, environment)
        # First what every tick needs, so that it lies together.
        self._processor: object = executor.processor
        """Asked without the detour by the executor: one object less that is in no cache."""
        self._is_plain = self._consumer is None and environment.tracer is None
        """Whether there is neither bar nor span."""
        self._is_batching = self._is_plain and executor.capabilities.batch_inference
        self._unsettled = 0
        """Ticks whose outcome was put off."""
        self._took = environment.telemetry.tick_timer(self._config.strategy_type)
        self._clock = environment.clock
        self._provenance = environment.provenance(executor.config, model_digest_of(executor))
        self._env = environment
        self._where = f"instrument {self._token}, partition {environment.partition}"

    def process(
        self,
        tick: MarketTick,
        offset: int,
        buffer: HistoryBuffer,
        batch: InferenceBatch | None = None,
    ) -> Said | None:
        """Hand ``tick`` to the strategy; whatever it raises costs it this tick, and no more.

        Args:
            tick: for the strategy.
            offset: of the tick.
            buffer: the ticks before it.
            batch: where an outcome that hangs on a model may be put off; None: it may not.
        """
        if self._is_quarantined:
            return None
        took, size, seen = self._took, self._history_size, self._seen
        started = 0.0 if took is None else self._clock()
        history = buffer.last(min(size, seen)) if size else EMPTY_HISTORY
        if seen == self._mark_at:
            self._mark(offset)
        self._seen = seen + 1
        outcome: Outcome
        setcontext(self._arithmetic)
        try:
            if not self._is_plain:
                outcome = self._execute(tick, offset, history)
            elif batch is None or not self._is_batching:
                result: object = cast("Any", self._processor).process_tick(tick, history)
                outcome = None if result is None else self._executor.judged(result, tick)
            else:
                outcome = self._executor.prepare_tick(tick, history)
        except BaseException as error:  # a strategy may raise anything
            if is_interrupt(error):
                raise
            if not self._unsettled:
                self._failed(error, offset)
                return None
            outcome = Failed(error)
        seconds = 0.0 if took is None else self._clock() - started
        if batch is not None and (self._unsettled or type(outcome) is _REQUEST):
            self._unsettled += 1
            return batch.add(
                Pending(self, tick, offset, seen=seen, outcome=outcome, seconds=seconds)
            )
        if took is not None:
            took(seconds)
        return self._said(outcome, tick, offset)

    def settle(self, pending: Pending, answer: object) -> TradingSignal | Rejection | None:
        """Go on as if ``process`` had waited for the answer."""
        self._unsettled -= 1
        if self._is_quarantined:  # by a tick before this one, so this one did not come
            return None
        started, tick, outcome = self._clock(), pending.tick, pending.outcome
        if type(outcome) is _REQUEST:
            outcome = self._concluded(tick, outcome, answer)
        if isinstance(outcome, Failed):
            if self._failed(outcome.error, pending.offset):
                self._seen = pending.seen + 1
            return None
        if self._took is not None:
            self._took(pending.seconds + self._clock() - started)
        said = self._said(outcome, tick, pending.offset)
        if self._condition.quarantine_reason is not None:
            self._seen = pending.seen + 1
        return said

    def _concluded(self, tick: MarketTick, request: InferenceRequest, answer: object) -> Outcome:
        if isinstance(answer, Failed):
            return answer
        setcontext(self._arithmetic)
        try:
            return self._executor.conclude_tick(tick, request, answer)
        except BaseException as error:  # a strategy may raise anything
            if is_interrupt(error):
                raise
            return Failed(error)

    def _said(
        self, outcome: Outcome, tick: MarketTick, offset: int
    ) -> TradingSignal | Rejection | None:
        if outcome is None or type(outcome) is _REFUSED:
            if self._has_failed:
                self._recovered()
            return None if outcome is None else self._refused(outcome.violation, tick, offset)
        try:
            said = self._signal(cast("SignalResult", outcome), tick, offset)
        except BaseException as error:  # a class of the strategy's own may raise anything
            if is_interrupt(error):
                raise
            self._failed(error, offset)
            return None
        if self._has_failed:
            self._recovered()
        if type(said) is not _SIGNAL:
            return self._refused(cast("Violation", said), tick, offset)
        self._env.telemetry.signal_emitted(said)
        return said

    def _signal(
        self, result: SignalResult, tick: MarketTick, offset: int
    ) -> TradingSignal | Violation:
        """What the validator let pass, of plain values; or what is wrong with them.

        Raises:
            BaseException: whatever a class of the strategy's own raises.
        """
        if type(result) is not _RESULT:
            result = exact(result)
        problem = problem_in_reasoning(result)
        if problem is not None:
            return Violation(code=RejectionCode.INVALID_SIGNAL, reason=problem)
        try:
            return self._provenance.signal(result, tick, offset)
        except PriceError as error:
            return Violation(code=RejectionCode.INVALID_PRICE, reason=shown(error))
        except UnusableValueError as unusable:
            return Violation(code=unusable.code, reason=shown(unusable))

    def _recovered(self) -> None:
        self._has_failed = False
        self._condition.recovered()

    def _refused(self, violation: Violation, tick: MarketTick, offset: int) -> Rejection:
        rejection = self._provenance.rejection(violation, tick, offset)
        self._env.telemetry.signal_refused(rejection)
        return rejection

    def _failed(self, error: BaseException, offset: int) -> bool:
        """Whether it is quarantined for that."""
        self._condition.failed(error, f"{self._where}, offset {offset}")
        self._has_failed = True
        self._is_quarantined = self._condition.quarantine_reason is not None
        return self._is_quarantined

    def _mark(self, offset: int) -> None:
        is_first = self._consumer is None or not self._seen
        self._marks.add(Mark(offset, None if is_first else self._bars.snapshot()))
        self._mark_at = self._marks.next_at

    def _execute(
        self, tick: MarketTick, offset: int, history: Sequence[MarketTick]
    ) -> SignalResult | Refused | None:
        tracer = self._env.tracer
        if tracer is not None:
            with tracer.process_tick(self._config, self._token, offset):
                return self._take(tick, history)
        return self._take(tick, history)

    def _take(
        self, tick: MarketTick, history: Sequence[MarketTick]
    ) -> SignalResult | Refused | None:
        if self._consumer is not None:
            self._take_bar(tick, self._consumer)
        return self._executor.process_tick(tick, history)

    def _take_bar(self, tick: MarketTick, consumer: ConsumesBars) -> None:
        late_before = self._bars.late_ticks
        bar = self._bars.update(tick)
        if bar is not None:
            consumer.on_bar(bar)
        if self._bars.late_ticks != late_before:
            self._env.telemetry.late_tick(self._config.strategy_type)
