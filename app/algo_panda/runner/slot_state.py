"""What one strategy on one instrument remembers, and how it comes back to that."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from algo_panda.domain.arithmetic import ContextSettings, computing_in, settings_of
from algo_panda.domain.bars import BarBuilder
from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.executor import StrategyExecutor
from algo_panda.domain.market import MarketTick
from algo_panda.domain.sharing import IndicatorPool
from algo_panda.runner.checked import LARGEST_SNAPSHOTS, snapshot_of
from algo_panda.runner.condition import STILL_COLD, Condition
from algo_panda.runner.environment import SlotEnvironment
from algo_panda.runner.explain import described, shown
from algo_panda.runner.rebuild import Marks, Origin, Replay, Restored, ticks_needed
from algo_panda.runner.state import StateDoesNotFitError, StrategyRecord, new_strategy_record

if TYPE_CHECKING:
    from algo_panda.domain.protocols import ConsumesBars, SharesIndicators, Snapshots, WarmsUp

logger = logging.getLogger(__name__)

_NEW_RECORD: Final = new_strategy_record
_RECORD: Final = StrategyRecord


class SlotState:
    """Ticks seen, bars, failures in a row, and the processor's own state."""

    def __init__(self, executor: StrategyExecutor, environment: SlotEnvironment) -> None:
        self._config = executor.config
        self._token = executor.context.instrument_token
        self._strategy_id = executor.config.strategy_id
        self._consumer: ConsumesBars | None = None
        if executor.capabilities.on_bar:
            self._consumer = cast("ConsumesBars", executor.processor)
        self._snapshots: Snapshots | None = None
        if executor.capabilities.snapshot:
            self._snapshots = cast("Snapshots", executor.processor)
        self._bars = BarBuilder(self._token, self._config.bar_seconds)
        self._bars_are_known = False
        self._settings = settings_of(executor.arithmetic)
        self._marks = Marks(ticks_needed(executor.capabilities))
        self._condition = Condition(
            self._config,
            self._token,
            quarantine_after=environment.quarantine_after,
            telemetry=environment.telemetry,
            status=environment.status,
        )
        self.restored = Restored(Origin.NEW)
        """How it came to its state; right once no replay is waited for."""
        self.replay: Replay | None = None
        """Waits for ticks."""
        # Last what every tick needs, so that it lies together, and with what ``StrategySlot`` adds.
        self._executor = executor
        self._arithmetic = executor.arithmetic
        self._history_size = executor.capabilities.history_size
        self._seen = 0
        self._mark_at = self._marks.next_at
        self._is_quarantined = self._has_failed = False

    @property
    def history_size(self) -> int:
        """How many past ticks the strategy wants to see."""
        return self._history_size

    @property
    def name(self) -> str:
        """Strategy and instrument."""
        return f"{self._strategy_id} on {self._token}"

    @property
    def settings(self) -> ContextSettings:
        """Those of its decimal context, as they were before its first tick."""
        return self._settings

    @property
    def executor(self) -> StrategyExecutor:
        """What runs here."""
        return self._executor

    def begin(self) -> None:
        """Start without a state: the strategy knows nothing of the instrument yet."""
        self._warm_up(())

    def record(self, room: int = LARGEST_SNAPSHOTS) -> StrategyRecord:
        """The state as a value. When this is called decides no signal.

        A processor whose ``snapshot`` fails, or does not fit, goes on without one, and is rebuilt
        from ticks after a restart. Of a quarantined one only the reason is kept.

        Args:
            room: bytes that a snapshot may have here.
        """
        state = self._snapshot(room)
        self._warm_if_due()
        condition = self._condition
        quarantined = condition.quarantine_reason is not None
        return _NEW_RECORD(
            _RECORD,
            (
                self._strategy_id,
                self._config.version,
                self._config.digest,
                self._seen,
                condition.failures,
                condition.quarantine_reason,
                None if quarantined or self._consumer is None else self._bars.snapshot(),
                state,
                () if quarantined else self._marks.kept,
                None if quarantined else condition.cold_since,
            ),
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
        """Let the processor use indicators of ``pool``, if it can; call before live ticks.

        One that takes bars keeps its own: a tick that is lost because ``on_bar`` raises does not
        reach them, live or when it is rebuilt, and the pool would give it to them.
        """
        if self._is_quarantined or not self._executor.capabilities.share_indicators:
            return
        if self._consumer is not None:
            return
        try:
            with computing_in(self._arithmetic):
                cast("SharesIndicators", self._executor.processor).share_indicators(pool)
        except BaseException as error:  # a strategy may raise anything
            if is_interrupt(error):
                raise
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
                rest=record._replace(bars=None, processor=None),
            ) from error
        self._bars_are_known = True

    def _restore_processor(self, record: StrategyRecord, past: Sequence[MarketTick]) -> None:
        if self._snapshots is not None and record.processor is not None:
            try:
                with computing_in(self._arithmetic):
                    self._snapshots.restore(record.processor)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                raise StateDoesNotFitError(
                    f"its snapshot does not fit: {shown(error)}; it is rebuilt",
                    rest=record._replace(processor=None),
                ) from error
            self.restored = Restored(Origin.SNAPSHOT)
            if record.cold_since is not None:
                self.restored = Restored(Origin.COLD, missing=STILL_COLD)
                self._condition.stays_cold()
            return
        capabilities = self._executor.capabilities
        if capabilities.warmup and capabilities.warmup_ticks is None:
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
        warmed_up = self._executor.capabilities.warmup
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

    def _warm_if_due(self) -> None:
        """A bounded past is over some day, and then it was whole."""
        cold_since = self._condition.cold_since
        if cold_since is None or self._is_quarantined:
            return
        declared = self._executor.capabilities.warmup_ticks
        if declared and self._seen >= cold_since + declared:
            self._condition.is_warm()

    def _snapshot(self, room: int) -> bytes | None:
        """The processor's state; None if it gives none that can be kept, or is quarantined."""
        condition = self._condition
        if condition.quarantine_reason is not None or self._snapshots is None:
            return None
        try:
            with computing_in(self._arithmetic):
                state = snapshot_of(self._snapshots, room)
        except BaseException as error:  # a strategy may raise anything
            if is_interrupt(error):
                raise
            condition.snapshot_failed(error)
            return None
        if condition.snapshot_problem is not None:
            condition.snapshot_works()
        return state

    def _warm_up(self, history: Sequence[MarketTick]) -> None:
        if not self._executor.capabilities.warmup:
            return
        try:
            with computing_in(self._arithmetic):
                cast("WarmsUp", self._executor.processor).warmup(history)
        except BaseException as error:  # a strategy may raise anything
            if is_interrupt(error):
                raise
            logger.warning(
                "strategy %s on %d: warmup failed: %s",
                self._strategy_id,
                self._token,
                described(error),
            )
