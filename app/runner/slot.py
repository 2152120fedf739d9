"""One strategy on one instrument as it runs: isolation, bars, history, provenance."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from app.domain.bars import BarBuilder
from app.domain.executor import Emitted, Refused, StrategyExecutor
from app.domain.history import EMPTY_HISTORY, HistoryBuffer
from app.domain.market import MarketTick
from app.domain.money import PriceError
from app.domain.offers import offers
from app.domain.protocols import ConsumesBars, SharesIndicators, Snapshots, WarmsUp
from app.domain.sharing import IndicatorPool
from app.domain.signals import TradingSignal
from app.domain.trading import Rejection, RejectionCode, Violation
from app.runner.checked import LONGEST_REASONING, model_digest_of, snapshot_of
from app.runner.condition import STILL_COLD, Condition
from app.runner.environment import SlotEnvironment
from app.runner.explain import described, shown
from app.runner.provenance import Provenance
from app.runner.rebuild import Marks, Origin, Replay, Restored, ticks_needed
from app.runner.state import Mark, StateDoesNotFitError, StrategyRecord

logger = logging.getLogger(__name__)


class StrategySlot:
    """Runs one executor. A failure of it is counted here and goes no further."""

    def __init__(self, executor: StrategyExecutor, environment: SlotEnvironment) -> None:
        self._executor = executor
        self._env = environment
        self._config = executor.config
        self._token = executor.context.instrument_token
        self._strategy_id = str(executor.config.id)
        self._where = f"instrument {self._token}, partition {environment.partition}"
        self._provenance = Provenance(
            config=executor.config,
            instrument_token=self._token,
            model_digest=model_digest_of(executor),
            topic_id=environment.topic_id,
            partition=environment.partition,
        )
        processor = executor.processor
        self._consumer: ConsumesBars | None = None
        if offers(processor, ConsumesBars):
            self._consumer = processor
        self._snapshots: Snapshots | None = None
        if offers(processor, Snapshots):
            self._snapshots = processor
        self._bars = BarBuilder(self._token, self._config.bar_seconds)
        self._bars_are_known = False
        self._history_size = executor.capabilities.history_size
        self._process_tick = executor.process_tick
        is_plain = self._consumer is None and environment.tracer is None
        self._plain = executor.process_tick if is_plain else None
        """What ``_execute`` comes down to where there is neither bar nor span: a call less."""
        self._clock = environment.clock
        self._took = environment.telemetry.tick_timer(self._config.strategy_type)
        self._seen = 0
        self._marks = Marks(ticks_needed(executor.capabilities))
        self._mark_at = self._marks.next_at
        self._condition = Condition(
            self._config,
            self._token,
            quarantine_after=environment.quarantine_after,
            telemetry=environment.telemetry,
            status=environment.status,
        )
        # Looked at on every tick, so kept at hand.
        self._is_quarantined = self._has_failed = False
        self.restored = Restored(Origin.NEW)
        """How it came to its state; right once no replay is waited for."""
        self.replay: Replay | None = None
        """Waits for ticks."""

    @property
    def history_size(self) -> int:
        """How many past ticks the strategy wants to see."""
        return self._history_size

    @property
    def name(self) -> str:
        """Strategy and instrument."""
        return f"{self._strategy_id} on {self._token}"

    @property
    def executor(self) -> StrategyExecutor:
        """What runs here."""
        return self._executor

    def process(
        self, tick: MarketTick, offset: int, buffer: HistoryBuffer
    ) -> TradingSignal | Rejection | None:
        """Hand ``tick`` to the strategy; whatever it raises costs it this tick, and no more."""
        if self._is_quarantined:
            return None
        clock, size, seen = self._clock, self._history_size, self._seen
        started = clock()
        history = buffer.last(min(size, seen)) if size else EMPTY_HISTORY
        if seen == self._mark_at:
            self._mark(offset)
        self._seen = seen + 1
        try:
            plain = self._plain
            outcome = (
                self._execute(tick, offset, history) if plain is None else plain(tick, history)
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a strategy may raise anything
            self._failed(error, offset)
            return None
        self._took(clock() - started)
        if self._has_failed:
            self._has_failed = False
            self._condition.recovered()
        if outcome is None:
            return None
        if isinstance(outcome, Refused):
            return self._refused(outcome.violation, tick, offset)
        said = outcome.result.reasoning
        if said is not None and not (type(said) is str and len(said) <= LONGEST_REASONING):
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
        self._warm_if_due()
        condition = self._condition
        quarantined = condition.quarantine_reason is not None
        return StrategyRecord(
            strategy_id=self._strategy_id,
            version=self._config.version,
            digest=self._config.digest,
            ticks_seen=self._seen,
            failures=condition.failures,
            quarantine_reason=condition.quarantine_reason,
            bars=None if quarantined or self._consumer is None else self._bars.snapshot(),
            processor=state,
            marks=() if quarantined else self._marks.kept,
            cold_since=None if quarantined else condition.cold_since,
        )

    def restore(self, record: StrategyRecord, past: Sequence[MarketTick]) -> None:
        """Go on from ``record``; ``past`` are the instrument's ticks before, oldest first.

        Where ``replay`` is set afterwards, the processor is to be rebuilt by ticks: give them to
        it, then call ``finish_replay``.

        Raises:
            StateDoesNotFitError: it belongs to another configuration or version of the code.
                The slot may be half restored and must be thrown away.
        """
        condition = self._condition
        if record.digest != self._config.digest:
            raise StateDoesNotFitError("its configuration changed; it starts anew")
        if record.quarantine_reason is not None and record.version != self._config.version:
            raise StateDoesNotFitError("a new version lifts the quarantine; it starts anew")
        self._seen = record.ticks_seen
        self._marks.restore(record.marks, self._seen)
        self._mark_at = self._marks.next_at
        condition.failures, condition.cold_since = record.failures, record.cold_since
        self._has_failed = record.failures > 0
        if record.quarantine_reason is not None:
            condition.quarantine(record.quarantine_reason)
            self._is_quarantined = True
            self.restored = Restored(Origin.QUARANTINED)
            return
        self._restore_bars(record)
        self._restore_processor(record, past)

    def share_indicators(self, pool: IndicatorPool) -> None:
        """Let the processor use indicators of ``pool``, where it can; call before live ticks."""
        processor = self._executor.processor
        if self._is_quarantined or not offers(processor, SharesIndicators):
            return
        try:
            processor.share_indicators(pool)
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything
            logger.warning("strategy %s: share_indicators failed: %s", self.name, described(error))

    def finish_replay(self) -> None:
        """End the replay, if one waits: it was given all ticks there are."""
        replay, self.replay = self.replay, None
        if replay is not None:
            self._rebuilt_by(replay)

    def _restore_bars(self, record: StrategyRecord) -> None:
        if self._consumer is None or record.bars is None:
            return
        try:
            self._bars.restore(record.bars)
        except ValueError as error:
            raise StateDoesNotFitError(
                f"its bars do not fit: {error}; it is rebuilt",
                rest=replace(record, bars=None, processor=None),
            ) from error
        self._bars_are_known = True

    def _restore_processor(self, record: StrategyRecord, past: Sequence[MarketTick]) -> None:
        processor = self._executor.processor
        if self._snapshots is not None and record.processor is not None:
            try:
                self._snapshots.restore(record.processor)
            except Exception as error:
                raise StateDoesNotFitError(
                    f"its snapshot does not fit: {shown(error)}; it is rebuilt",
                    rest=replace(record, processor=None),
                ) from error
            self.restored = Restored(Origin.SNAPSHOT)
            if record.cold_since is not None:
                self.restored = Restored(Origin.COLD, missing=STILL_COLD)
                self._condition.stays_cold()
            return
        if offers(processor, WarmsUp) and self._executor.capabilities.warmup_ticks is None:
            own = min(self._history_size, record.ticks_seen)
            self._warm_up(past[-own:] if own else ())
            self.restored = Restored(Origin.WARMED_UP, own)
            return
        replay = Replay(self._executor, record.marks, record.ticks_seen)
        if replay.first_offset is None:
            self._rebuilt_by(replay)
        else:
            self.replay = replay

    def _rebuilt_by(self, replay: Replay) -> None:
        missing = replay.finish()
        warmed_up = offers(self._executor.processor, WarmsUp)
        if not self._bars_are_known and not warmed_up:
            self._bars = replay.bars
        if missing is not None:
            self.restored = Restored(Origin.COLD, replay.given, missing)
            self._condition.is_cold(self._seen, missing)
            return
        origin = Origin.WARMED_UP if warmed_up else Origin.REPLAYED
        self.restored = Restored(origin, replay.given)
        if self._condition.cold_since is not None:
            self._condition.is_warm()

    def _failed(self, error: BaseException, offset: int) -> None:
        self._condition.failed(error, f"{self._where}, offset {offset}")
        self._has_failed = True
        self._is_quarantined = self._condition.quarantine_reason is not None

    def _mark(self, offset: int) -> None:
        is_first = self._consumer is None or not self._seen
        self._marks.add(Mark(offset, None if is_first else self._bars.snapshot()))
        self._mark_at = self._marks.next_at

    def _warm_if_due(self) -> None:
        """A bounded past is over some day, and then it was whole."""
        cold_since, declared = self._condition.cold_since, self._executor.capabilities.warmup_ticks
        if cold_since is not None and declared and self._seen >= cold_since + declared:
            self._condition.is_warm()

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
        return self._process_tick(tick, history)

    def _snapshot(self) -> bytes | None:
        """The processor's state; None where it gives none, or is quarantined, be it for that."""
        condition = self._condition
        if condition.quarantine_reason is not None or self._snapshots is None:
            return None
        try:
            return snapshot_of(self._snapshots)
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything
            condition.quarantine(f"snapshot failed on instrument {self._token}: {described(error)}")
            self._is_quarantined = True
            return None

    def _warm_up(self, history: Sequence[MarketTick]) -> None:
        processor = self._executor.processor
        if not offers(processor, WarmsUp):
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
