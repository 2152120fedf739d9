"""One strategy on one instrument as it runs: isolation, bars, history, provenance."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.bars import BarBuilder
from app.domain.executor import Emitted, Refused, StrategyExecutor
from app.domain.history import EMPTY_HISTORY, HistoryBuffer
from app.domain.market import MarketTick
from app.domain.money import PriceError
from app.domain.protocols import ConsumesBars, HasModelDigest, Snapshots, WarmsUp
from app.domain.signals import TradingSignal
from app.domain.status import StrategyState, StrategyStatus
from app.domain.trading import Rejection, RejectionCode, Violation
from app.runner.explain import described, shown
from app.runner.ports import RunnerTelemetry, StatusSink, TickTracer
from app.runner.provenance import Provenance
from app.runner.state import StrategyRecord

logger = logging.getLogger(__name__)


LONGEST_REASONING = 10_000
"""Characters of a signal's reasoning; a record is at most a megabyte."""

LARGEST_SNAPSHOT = 1024 * 1024
"""Bytes of one processor's state; an instrument's record holds those of all its strategies."""


class StateDoesNotFitError(ValueError):
    """A recorded state is not of this strategy as it is configured now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotEnvironment:
    """What all slots of a partition share."""

    topic_id: str
    """Kafka's id of the ``ticks`` topic."""
    partition: int
    quarantine_after: int
    """Consecutive failures after which a strategy stops on an instrument."""
    telemetry: RunnerTelemetry
    status: StatusSink
    clock: Callable[[], float]
    """Seconds of a monotonic clock."""
    tracer: TickTracer | None
    """None: no spans."""


class StrategySlot:
    """Runs one executor. A failure of it is counted here and goes no further."""

    def __init__(self, executor: StrategyExecutor, environment: SlotEnvironment) -> None:
        self._executor = executor
        self._env = environment
        self._config = executor.config
        self._token = executor.context.instrument_token
        self._strategy_id = str(executor.config.id)
        self._provenance = Provenance(
            config=executor.config,
            instrument_token=self._token,
            model_digest=_model_digest(executor),
            topic_id=environment.topic_id,
            partition=environment.partition,
        )
        processor = executor.processor
        self._consumer: ConsumesBars | None = None
        if isinstance(processor, ConsumesBars):
            self._consumer = processor
        self._bars = BarBuilder(self._token, self._config.bar_seconds)
        self._history_size = executor.capabilities.history_size
        self._process_tick = executor.process_tick
        self._is_plain = self._consumer is None and environment.tracer is None
        self._clock = environment.clock
        self._took = environment.telemetry.tick_timer(self._config.strategy_type)
        self._seen = 0
        self._failures = 0
        self.quarantine_reason: str | None = None

    @property
    def history_size(self) -> int:
        """How many past ticks the strategy wants to see."""
        return self._history_size

    @property
    def executor(self) -> StrategyExecutor:
        """What runs here."""
        return self._executor

    def process(
        self, tick: MarketTick, offset: int, buffer: HistoryBuffer
    ) -> TradingSignal | Rejection | None:
        """Hand ``tick`` to the strategy; whatever it raises costs it this tick, and no more."""
        if self.quarantine_reason is not None:
            return None
        clock, size = self._clock, self._history_size
        started = clock()
        history = buffer.last(min(size, self._seen)) if size else EMPTY_HISTORY
        self._seen += 1
        try:
            outcome = self._execute(tick, offset, history)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a strategy may raise anything
            self._failed(error, offset)
            return None
        self._took(clock() - started)
        if self._failures:
            self._recovered()
        if outcome is None:
            return None
        if isinstance(outcome, Refused):
            return self._refused(outcome.violation, tick, offset)
        said = outcome.result.reasoning
        if said is not None and not _is_fit(said):
            reason = f"reasoning is not text of at most {LONGEST_REASONING} characters"
            violation = Violation(code=RejectionCode.INVALID_SIGNAL, reason=reason)
            return self._refused(violation, tick, offset)
        try:
            signal = self._provenance.signal(outcome.result, tick, offset)
        except PriceError as error:
            violation = Violation(code=RejectionCode.INVALID_PRICE, reason=str(error))
            return self._refused(violation, tick, offset)
        self._env.telemetry.signal_emitted(signal)
        return signal

    def _refused(self, violation: Violation, tick: MarketTick, offset: int) -> Rejection:
        rejection = self._provenance.rejection(violation, tick, offset)
        self._env.telemetry.signal_refused(rejection)
        return rejection

    def begin(self) -> None:
        """Start without a state: the strategy knows nothing of the instrument yet."""
        self._warm_up(())

    def record(self) -> StrategyRecord:
        """The state as a value.

        A processor whose ``snapshot`` fails could not go on after a restart as if nothing had
        been: it is quarantined at once. Of a quarantined one only the reason is kept.
        """
        state = self._snapshot()
        quarantined = self.quarantine_reason is not None
        return StrategyRecord(
            strategy_id=self._strategy_id,
            version=self._config.version,
            digest=self._config.digest,
            ticks_seen=self._seen,
            failures=self._failures,
            quarantine_reason=self.quarantine_reason,
            bars=None if quarantined or self._consumer is None else self._bars.snapshot(),
            processor=state,
        )

    def restore(self, record: StrategyRecord, past: Sequence[MarketTick]) -> None:
        """Go on from ``record``; ``past`` are the instrument's ticks before, oldest first.

        Raises:
            StateDoesNotFitError: it belongs to another configuration or version of the code.
                The slot may be half restored and must be thrown away.
        """
        if record.digest != self._config.digest:
            raise StateDoesNotFitError("its configuration changed")
        if record.quarantine_reason is not None and record.version != self._config.version:
            raise StateDoesNotFitError("a new version lifts the quarantine")
        self._seen = record.ticks_seen
        self._failures = record.failures
        if record.quarantine_reason is not None:
            self._quarantine(record.quarantine_reason)
            return
        try:
            self._restore(record, past)
        except Exception as error:
            raise StateDoesNotFitError(f"its snapshot does not fit: {shown(error)}") from error

    def _restore(self, record: StrategyRecord, past: Sequence[MarketTick]) -> None:
        if self._consumer is not None and record.bars is not None:
            self._bars.restore(record.bars)
        processor = self._executor.processor
        if isinstance(processor, Snapshots) and record.processor is not None:
            processor.restore(record.processor)
            return
        own = min(self._history_size, record.ticks_seen)
        self._warm_up(past[-own:] if own else ())

    def _execute(
        self, tick: MarketTick, offset: int, history: Sequence[MarketTick]
    ) -> Emitted | Refused | None:
        if self._is_plain:  # a call less, on every tick
            return self._process_tick(tick, history)
        tracer = self._env.tracer
        if tracer is not None:
            with tracer.process_tick(self._config, self._token, offset):
                return self._take(tick, history)
        return self._take(tick, history)

    def _take(self, tick: MarketTick, history: Sequence[MarketTick]) -> Emitted | Refused | None:
        if self._consumer is not None:
            self._take_bar(tick, self._consumer)
        return self._process_tick(tick, history)

    def _snapshot(self) -> bytes | None:
        """The processor's state; None where it gives none, or is quarantined, be it for that."""
        processor = self._executor.processor
        if self.quarantine_reason is not None or not isinstance(processor, Snapshots):
            return None
        try:
            return _state_of(processor)
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything
            self._quarantine(f"snapshot failed on instrument {self._token}: {described(error)}")
            return None

    def _warm_up(self, history: Sequence[MarketTick]) -> None:
        processor = self._executor.processor
        if not isinstance(processor, WarmsUp):
            return
        try:
            processor.warmup(history)
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything
            logger.warning(
                "strategy %s on %d: warmup failed: %s",
                self._strategy_id,
                self._token,
                described(error),
            )

    def _take_bar(self, tick: MarketTick, consumer: ConsumesBars) -> None:
        late_before = self._bars.late_ticks
        bar = self._bars.update(tick)
        if bar is not None:
            consumer.on_bar(bar)
        if self._bars.late_ticks != late_before:
            self._env.telemetry.late_tick(self._config.strategy_type)

    def _failed(self, error: BaseException, offset: int) -> None:
        self._failures += 1
        self._env.telemetry.strategy_failed(self._config.strategy_type)
        where = f"instrument {self._token}, partition {self._env.partition}, offset {offset}"
        if self._failures == 1:
            logger.error(
                "strategy %s failed at %s; further failures in a row are only counted",
                self._strategy_id,
                where,
                exc_info=error,
            )
        if self._failures >= self._env.quarantine_after:
            self._quarantine(
                f"{self._failures} failures in a row, the last at {where}: {described(error)}"
            )

    def _quarantine(self, reason: str) -> None:
        self.quarantine_reason = reason
        logger.error("strategy %s quarantined: %s", self._strategy_id, reason)
        self._env.status.report(
            StrategyStatus(
                strategy_id=self._config.id,
                strategy_version=self._config.version,
                state=StrategyState.QUARANTINED,
                reason=reason,
                instrument_token=self._token,
            )
        )

    def _recovered(self) -> None:
        logger.info(
            "strategy %s on %d works again after %d failures",
            self._strategy_id,
            self._token,
            self._failures,
        )
        self._failures = 0


def _state_of(processor: Snapshots) -> bytes:
    state = processor.snapshot()
    if type(state) is not bytes:
        raise TypeError(f"it returned {type(state).__name__}, not bytes")
    if len(state) > LARGEST_SNAPSHOT:
        raise ValueError(f"it returned {len(state)} bytes, above the {LARGEST_SNAPSHOT} allowed")
    return state


def _is_fit(reasoning: object) -> bool:
    return type(reasoning) is str and len(reasoning) <= LONGEST_REASONING


def _model_digest(executor: StrategyExecutor) -> str | None:
    processor = executor.processor
    try:
        digest = processor.model_digest if isinstance(processor, HasModelDigest) else None
    except Exception as error:  # noqa: BLE001 - a strategy may raise anything
        logger.warning("strategy %s: model_digest failed: %s", executor.config.id, described(error))
        return None
    return None if digest is None else shown(digest)
