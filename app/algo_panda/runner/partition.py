"""All instruments of one partition of ``ticks``: the unit that moves between workers."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from decimal import getcontext, setcontext
from typing import Any, cast

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.history import NO_HISTORY, HistoryBuffer
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.domain.sharing import IndicatorPool, SharedIndicator
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection
from algo_panda.runner.arrival import ArrivalPolicy, irregularities
from algo_panda.runner.checked import LARGEST_SNAPSHOTS
from algo_panda.runner.environment import SlotEnvironment
from algo_panda.runner.inference import InferenceBatch, Said
from algo_panda.runner.registry import StrategyRegistry
from algo_panda.runner.restoration import Restoration, TickSpan
from algo_panda.runner.slot import StrategySlot
from algo_panda.runner.state import InstrumentRecord, StateDoesNotFitError, StrategyRecord

logger = logging.getLogger(__name__)


class Instrument:
    """The strategies on one instrument, and the ticks that they share."""

    __slots__ = (
        "changed",
        "due",
        "history",
        "indicators",
        "key",
        "last_offset",
        "last_price",
        "last_quantity",
        "last_received_us",
        "last_time_us",
        "last_volume",
        "newest_us",
        "outdated",
        "slots",
        "token",
        "written",
    )

    def __init__(
        self,
        token: int,
        slots: tuple[StrategySlot, ...],
        history: HistoryBuffer,
        record: InstrumentRecord | None,
    ) -> None:
        self.token = token
        self.key = instrument_key(token)
        """That of its records."""
        self.slots = slots
        self.history = history
        self.indicators: tuple[SharedIndicator, ...] = ()
        """Those that its strategies have in common."""
        self.last_offset = record.last_offset if record else -1
        # The last tick, number by number: of a tick itself, cold by the time that the next one
        # comes, every number would lie somewhere else in the memory.
        self.last_time_us = 0
        self.last_price = 0
        self.last_quantity = 0
        self.last_volume = 0
        self.last_received_us = 0
        self.newest_us = record.newest_event_time_us if record else 0
        if record is not None and record.last_tick is not None:
            self.remember(record.last_tick)
        self.changed = False
        """Whether it had a tick since the last cut."""
        self.due = False
        """Whether it had one before, and its state then is still to be written down."""
        self.written: InstrumentRecord | None = None
        """Its state at the last cut, where it was written down before somebody asked for it."""
        self.outdated = False
        """Whether its record knows strategies, and none is here any more."""

    def share_indicators(self) -> None:
        """Find out which indicators its strategies can have in common; before live ticks."""
        pool = IndicatorPool()
        for slot in self.slots:
            slot.share_indicators(pool)
        self.indicators = tuple(pool)

    def remember(self, tick: MarketTick) -> None:
        """Take note of ``tick`` as the last one."""
        self.last_time_us = at = tick.event_time_us
        if at > self.newest_us:
            self.newest_us = at
        self.last_price = tick.price_raw
        self.last_quantity = tick.last_traded_quantity
        self.last_volume = tick.volume_traded
        self.last_received_us = tick.received_time_us

    def may_be_odd(self, tick: MarketTick) -> bool:
        """Whether ``tick`` is worth a closer look; many trades share a moment and a price."""
        at = tick.event_time_us
        return at < self.newest_us or (
            at == self.last_time_us
            and tick.volume_traded == self.last_volume
            and tick.price_raw == self.last_price
            and tick.last_traded_quantity == self.last_quantity
        )

    def forget(self) -> None:
        """Stand as if there had been no tick."""
        self.last_price = self.newest_us = 0

    def last(self) -> MarketTick | None:
        """The last tick; prices are above 0, so that 0 says that there was none."""
        if not self.last_price:
            return None
        return MarketTick(
            self.token,
            self.last_time_us,
            self.last_price,
            self.last_quantity,
            self.last_volume,
            self.last_received_us,
        )

    def cut(self) -> None:
        """From here on what happens belongs to the next checkpoint."""
        self.changed, self.due = False, True

    def write_ahead(self) -> None:
        """Write the state down before it changes."""
        self.written = self.record()

    def record(self) -> InstrumentRecord:
        """The state at the last cut; call once for each."""
        written, self.written = self.written, None
        if written is not None:
            return written
        self.due = False
        return InstrumentRecord(
            instrument_token=self.token,
            last_offset=self.last_offset,
            history=self.history.ticks(),
            strategies=self._strategies(),
            last_tick=self.last(),
            newest_event_time_us=self.newest_us,
        )

    def _strategies(self) -> tuple[StrategyRecord, ...]:
        """The states of its strategies; their snapshots share what a record may hold."""
        room = LARGEST_SNAPSHOTS
        states: list[StrategyRecord] = []
        for slot in self.slots:
            state = slot.record(room)
            if state.processor is not None:
                room -= len(state.processor)
            states.append(state)
        return tuple(states)


class PartitionRunner:
    """Routes each tick to every strategy that wants its instrument."""

    def __init__(
        self, registry: StrategyRegistry, environment: SlotEnvironment, arrival: ArrivalPolicy
    ) -> None:
        self._registry = registry
        self._environment = environment
        self._arrival = arrival
        self._instruments: dict[int, Instrument] = {}
        self._by_key: dict[bytes, Instrument] = {}
        self._changed: list[Instrument] = []
        self._restoration = Restoration(arrival)

    def process(self, tick: MarketTick, offset: int) -> Sequence[TradingSignal | Rejection]:
        """What the strategies say about ``tick``, in the order they are configured in."""
        instrument = self._instrument(tick)
        ours = getcontext()
        try:
            said = self._process(tick, offset, instrument, None)
        finally:
            setcontext(ours)
        return cast("Sequence[TradingSignal | Rejection]", said)

    def known(self, key: bytes | None, token: int) -> Instrument | None:
        """The instrument, where it had a tick or a record before, and ``key`` is its own."""
        found = None if key is None else self._by_key.get(key)
        return found if found is not None and found.token == token else None

    def process_batch(
        self,
        ticks: Sequence[MarketTick],
        offsets: Sequence[int],
        instruments: Sequence[Instrument | None] | None = None,
    ) -> Sequence[Sequence[TradingSignal | Rejection]]:
        """What ``process`` gives for each tick and offset, one after the other.

        Strategies that ask a model, and can put off what they make of its answer, have it asked
        for all ticks at once.

        Args:
            ticks: in the order of their offsets.
            offsets: of these.
            instruments: what ``known`` gave for each of them, where somebody asked.
        """
        # A single tick has nothing to be asked together with: nothing is put off.
        batch = InferenceBatch() if len(ticks) > 1 else None
        said: list[Sequence[Said]] = []
        known = [None] * len(ticks) if instruments is None else instruments
        ours = getcontext()  # strategies have contexts of their own
        try:
            for tick, offset, instrument in zip(ticks, offsets, known, strict=True):
                found = instrument or self._instrument(tick)
                said.append(self._process(tick, offset, found, batch))
            if batch is None:
                return cast("Sequence[Sequence[TradingSignal | Rejection]]", said)
            return batch.settle(said)
        finally:
            setcontext(ours)

    def _process(
        self, tick: MarketTick, offset: int, instrument: Instrument, batch: InferenceBatch | None
    ) -> Sequence[Said]:
        if not instrument.slots:
            if instrument.outdated:
                self._forget(instrument, offset)
            return ()
        if not instrument.changed:
            self._changes(instrument)
        instrument.last_offset = offset
        is_dropped = instrument.may_be_odd(tick) and self._drops(tick, instrument)
        instrument.remember(tick)
        if is_dropped:
            return ()
        for indicator in instrument.indicators:
            indicator.advance(tick)
        history = instrument.history
        said: list[Said] | None = None
        for slot in instrument.slots:
            outcome = slot.process(tick, offset, history, batch)
            if outcome is not None:
                if said is None:
                    said = [outcome]
                else:
                    said.append(outcome)
        if history.capacity:
            history.append(tick)
        return said or ()  # as a rule nothing is said

    def changed_records(self) -> Iterator[InstrumentRecord]:
        """The state of every instrument that had a tick since the last call, as it is now.

        It may be taken bit by bit, with ticks in between: an instrument's state is written down
        before its next tick. Take all of it before the next call.
        """
        changed, self._changed = self._changed, []
        changed.sort(key=lambda instrument: instrument.token)
        for instrument in changed:
            instrument.cut()
        return self._records(changed)

    @staticmethod
    def _records(instruments: Sequence[Instrument]) -> Iterator[InstrumentRecord]:
        for instrument in instruments:
            yield instrument.record()

    def restore(self, records: Iterable[InstrumentRecord]) -> None:
        """Go on from ``records``; call before the first tick.

        Then give ``rebuild`` what ``needs_ticks`` asks for, and say when that was all.
        """
        for record in records:
            instrument = self._open(record.instrument_token, record)
            instrument.outdated = bool(record.strategies) and not instrument.slots
            self._keep(instrument)
            self._restoration.add(instrument.token, instrument.slots, record.last_offset + 1)

    def needs_ticks(self) -> TickSpan | None:
        """The past ticks that processors without a snapshot have to be given; None: none."""
        return self._restoration.needs_ticks()

    def rebuild(self, ticks: Iterable[tuple[int, MarketTick]]) -> None:
        """Give processors past ticks; what they say goes nowhere.

        Args:
            ticks: offsets and ticks in rising order, over all calls: valid ones, all that are
                retained of what is needed; others do not matter.
        """
        self._restoration.take(ticks)

    def rebuilt(self) -> None:
        """That was all. Strategies that got fewer ticks than they need are reported as cold."""
        self._restoration.finish(self._environment.partition)
        for instrument in self._instruments.values():
            instrument.share_indicators()

    def shutdown(self) -> None:
        """Let every processor put away what it holds."""
        for instrument in self._instruments.values():
            for slot in instrument.slots:
                self._registry.shut_down(slot.executor)
        self._instruments.clear()
        self._by_key.clear()

    def _changes(self, instrument: Instrument) -> None:
        """Take note that its state is about to change."""
        if instrument.due:
            instrument.write_ahead()
        instrument.changed = True
        self._changed.append(instrument)

    def _instrument(self, tick: MarketTick) -> Instrument:
        token: Any = cast("tuple[Any, ...]", tick)[0]  # as it is: an int would be made anew
        return self._instruments.get(token) or self._begin(token)

    def _drops(self, tick: MarketTick, instrument: Instrument) -> bool:
        """Count what is odd about ``tick``; whether that is a reason to drop it."""
        kinds = irregularities(tick, instrument.last(), instrument.newest_us)
        dropped = any(map(self._arrival.drops, kinds))
        for kind in kinds:
            self._environment.telemetry.irregular_tick(kind, dropped=dropped)
        return dropped

    def _forget(self, instrument: Instrument, offset: int) -> None:
        """Have the record written over: who comes back later missed the tick at ``offset``."""
        if not instrument.changed:
            self._changes(instrument)
        instrument.outdated = False
        instrument.last_offset = offset
        instrument.forget()

    def _begin(self, token: int) -> Instrument:
        """Make what there is to an instrument that has its first tick."""
        instrument = self._open(token)
        self._keep(instrument)
        instrument.share_indicators()
        return instrument

    def _keep(self, instrument: Instrument) -> None:
        self._instruments[instrument.token] = instrument
        self._by_key[instrument.key] = instrument

    def _open(self, token: int, record: InstrumentRecord | None = None) -> Instrument:
        known = {state.strategy_id: state for state in record.strategies} if record else {}
        past = record.history if record else ()
        slots: list[StrategySlot] = []
        for config in self._registry.strategies_on(token):
            slot = self._slot(config, token, known.get(config.strategy_id), past)
            if slot is not None:
                slots.append(slot)
        capacity = max((slot.history_size for slot in slots), default=0)
        history = HistoryBuffer(capacity, past) if capacity else NO_HISTORY
        return Instrument(token, tuple(slots), history, record)

    def _slot(
        self,
        config: StrategyConfig,
        token: int,
        state: StrategyRecord | None,
        past: Sequence[MarketTick],
    ) -> StrategySlot | None:
        executor = self._registry.executor(config, token)
        if executor is None:
            return None
        slot = StrategySlot(executor, self._environment)
        if state is None:
            slot.begin()
            return slot
        try:
            slot.restore(state, past)
        except StateDoesNotFitError as error:
            logger.warning("strategy %s on %d: %s", config.id, token, error)
            self._registry.shut_down(executor)
            return self._slot(config, token, error.rest, past)
        return slot
