"""One strategy on one instrument as it runs: isolation, bars, history, provenance."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.bars import BarBuilder
from app.domain.executor import Emitted, Refused, StrategyExecutor
from app.domain.history import HistoryBuffer
from app.domain.ids import SignalIds, rejection_id
from app.domain.market import MarketTick
from app.domain.protocols import ConsumesBars, HasModelDigest, Snapshots, WarmsUp
from app.domain.signals import SignalResult, TradingSignal
from app.domain.status import StrategyState, StrategyStatus
from app.domain.trading import Rejection, Stage, Violation
from app.runner.ports import RunnerTelemetry, StatusSink, TickTracer
from app.runner.state import StrategyRecord

logger = logging.getLogger(__name__)


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
        self._ids = SignalIds(
            strategy_id=self._strategy_id,
            instrument_token=self._token,
            topic_id=environment.topic_id,
            partition=environment.partition,
        )
        self._brokers = executor.config.brokers
        processor = executor.processor
        self._consumer: ConsumesBars | None = None
        if isinstance(processor, ConsumesBars):
            self._consumer = processor
        self._bars = BarBuilder(self._token, self._config.bar_seconds)
        self._model_digest = (
            processor.model_digest if isinstance(processor, HasModelDigest) else None
        )
        self._history_size = executor.capabilities.history_size
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
        clock = self._env.clock
        started = clock()
        history = buffer.last(min(self._history_size, self._seen))
        self._seen += 1
        try:
            outcome = self._execute(tick, offset, history)
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything
            self._failed(error, offset)
            return None
        self._env.telemetry.tick_processed(self._config.strategy_type, clock() - started)
        if self._failures:
            self._recovered()
        if outcome is None:
            return None
        if isinstance(outcome, Emitted):
            return self._signal(outcome.result, tick, offset)
        return self._rejection(outcome.violation, tick, offset)

    def record(self) -> StrategyRecord:
        """The state as a value.

        Raises:
            Exception: whatever the processor's ``snapshot`` raises.
        """
        processor = self._executor.processor
        return StrategyRecord(
            strategy_id=self._strategy_id,
            digest=self._config.digest,
            ticks_seen=self._seen,
            failures=self._failures,
            quarantine_reason=self.quarantine_reason,
            bars=None if self._consumer is None else self._bars.snapshot(),
            processor=processor.snapshot() if isinstance(processor, Snapshots) else None,
        )

    def restore(self, record: StrategyRecord, past: Sequence[MarketTick]) -> None:
        """Go on from ``record``; ``past`` are the instrument's ticks before, oldest first.

        Raises:
            StateDoesNotFitError: it belongs to another configuration or version of the code.
                The slot may be half restored and must be thrown away.
        """
        if record.digest != self._config.digest:
            raise StateDoesNotFitError("its configuration changed")
        processor = self._executor.processor
        try:
            if self._consumer is not None and record.bars is not None:
                self._bars.restore(record.bars)
            if isinstance(processor, Snapshots) and record.processor is not None:
                processor.restore(record.processor)
            elif isinstance(processor, WarmsUp):
                self._warm_up(processor, past)
        except ValueError as error:
            raise StateDoesNotFitError(f"its snapshot does not fit: {error}") from error
        self._seen = record.ticks_seen
        self._failures = record.failures
        self.quarantine_reason = record.quarantine_reason

    def _execute(
        self, tick: MarketTick, offset: int, history: Sequence[MarketTick]
    ) -> Emitted | Refused | None:
        tracer = self._env.tracer
        if tracer is not None:
            with tracer.process_tick(self._config, self._token, offset):
                return self._take(tick, history)
        return self._take(tick, history)

    def _take(self, tick: MarketTick, history: Sequence[MarketTick]) -> Emitted | Refused | None:
        if self._consumer is not None:
            self._take_bar(tick, self._consumer)
        return self._executor.process_tick(tick, history)

    def _warm_up(self, processor: WarmsUp, history: Sequence[MarketTick]) -> None:
        try:
            processor.warmup(history)
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything
            logger.warning(
                "strategy %s on %d: warmup failed: %r", self._strategy_id, self._token, error
            )

    def _take_bar(self, tick: MarketTick, consumer: ConsumesBars) -> None:
        late_before = self._bars.late_ticks
        bar = self._bars.update(tick)
        if bar is not None:
            consumer.on_bar(bar)
        if self._bars.late_ticks != late_before:
            self._env.telemetry.late_tick(self._config.strategy_type)

    def _failed(self, error: Exception, offset: int) -> None:
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
            self.quarantine_reason = (
                f"{self._failures} failures in a row, the last at {where}: "
                f"{type(error).__name__}: {error}"
            )
            logger.error("strategy %s quarantined: %s", self._strategy_id, self.quarantine_reason)
            self._env.status.report(
                StrategyStatus(
                    strategy_id=self._config.id,
                    strategy_version=self._config.version,
                    state=StrategyState.QUARANTINED,
                    reason=self.quarantine_reason,
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

    def _signal(self, result: SignalResult, tick: MarketTick, offset: int) -> TradingSignal:
        signal = TradingSignal(
            signal_id=self._ids.at(offset),
            strategy_id=self._strategy_id,
            strategy_type=self._config.strategy_type,
            strategy_version=self._config.version,
            model_digest=self._model_digest,
            instrument_token=self._token,
            signal_type=result.signal_type,
            confidence=result.confidence,
            quantity=result.quantity,
            price=result.price,
            reasoning=result.reasoning,
            event_time=tick.event_time,
            tick_price=tick.last_price,
            brokers=self._brokers,
            tick_topic_id=self._env.topic_id,
            tick_partition=self._env.partition,
            tick_offset=offset,
        )
        self._env.telemetry.signal_emitted(signal)
        return signal

    def _rejection(self, violation: Violation, tick: MarketTick, offset: int) -> Rejection:
        signal_id = self._ids.at(offset)
        rejection = Rejection(
            rejection_id=rejection_id(Stage.RUNNER, signal_id),
            stage=Stage.RUNNER,
            code=violation.code,
            reason=violation.reason,
            signal_id=signal_id,
            strategy_id=self._strategy_id,
            strategy_type=self._config.strategy_type,
            instrument_token=self._token,
            account=None,
            broker=None,
            event_time=tick.event_time,
            tick_partition=self._env.partition,
            tick_offset=offset,
        )
        self._env.telemetry.signal_refused(rejection)
        return rejection
