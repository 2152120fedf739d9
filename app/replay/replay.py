"""The replay itself: recorded ticks in, everything that the live system would say out."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol, cast

import numpy as np

from app.domain.config import StrategyConfig
from app.domain.market import MarketTick
from app.domain.signals import TradingSignal
from app.domain.trading import ExecutionReport, Order, Rejection
from app.replay.fingerprint import Fingerprint, RecordHash, TickHash
from app.replay.merging import Block, arrival_order, blocks
from app.replay.pacing import Clock, paced
from app.replay.spoken import Outcome, Spoken, signals_among
from app.replay.ticks import Integers, RecordedTicks, TickColumns, Unusable
from app.replay.trading import Event, Trading
from app.runner.runner import StrategyRunner
from app.wire.codecs import Codec
from app.wire.errors import WireError
from app.wire.refusal import refusal


class _Heard(NamedTuple):
    """Ticks of one partition, as they were handed to strategies, and what these said."""

    partition: int
    ticks: Sequence[MarketTick]
    offsets: Sequence[int]
    said: Sequence[Sequence[Outcome]]
    spoken: Spoken


class ReplayListener(Protocol):
    """Hears what happens in a replay, in order."""

    def ticks(self, columns: TickColumns, /) -> None:
        """These are about to be processed."""

    def unusable_record(self, record: Unusable, /) -> None:
        """A record is no tick."""

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        """Strategies said this, and their validators let it pass; what it leads to follows."""

    def rejection(self, rejection: Rejection, /) -> None:
        """A signal or an order was refused."""

    def order(self, order: Order, /) -> None:
        """Risk let an order pass."""

    def execution(self, report: ExecutionReport, /) -> None:
        """Something happened to an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """How a replay ended."""

    is_complete: bool
    """Whether all ticks were processed; not where it was stopped, be it at the very end."""
    ticks: int
    seconds: float
    fingerprint: Fingerprint
    open_orders: int
    """Orders that wait for a tick that did not come."""

    @property
    def ticks_per_second(self) -> float:
        """Speed of the whole."""
        return self.ticks / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCodecs:
    """What writes the records that the fingerprint is of."""

    signals: Codec[TradingSignal]
    executions: Codec[ExecutionReport]


class Replay:
    """One pass over recorded ticks. Call ``run`` once.

    Args:
        source: the ticks.
        runner: started; runs the strategies.
        configs: these.
        trading: what becomes of signals.
        codecs: of the records.
        configuration: hash of what runs, for the fingerprint.
        listeners: hear what happens.
        clock: for the time taken, and the pace.
        speed: 1.0 for as fast as the ticks once came; None: as fast as it goes.
    """

    def __init__(
        self,
        *,
        source: RecordedTicks,
        runner: StrategyRunner,
        configs: Sequence[StrategyConfig],
        trading: Trading,
        codecs: ReplayCodecs,
        configuration: str,
        listeners: Sequence[ReplayListener],
        clock: Clock = time,
        speed: float | None = None,
    ) -> None:
        self._source = source
        self._trading = trading
        self._encode = codecs.signals.encode
        self._encode_execution = codecs.executions.encode
        self._configuration = configuration
        self._listeners = tuple(listeners)
        self._clock = clock
        self._speed = speed
        self._partitions = {
            number: runner.partition(topic_id=source.topic_id, partition=number)
            for number in source.partitions
        }
        self._is_trading = any(config.brokers for config in configs)
        self._ticks = 0
        self._tick_hash = TickHash()
        self._signal_hash = RecordHash()
        self._fill_hash = RecordHash()

    def run(
        self,
        *,
        stopped: Callable[[], bool] = lambda: False,
        on_progress: Callable[[int], None] = lambda _ticks: None,
    ) -> ReplayResult:
        """Process all ticks.

        Args:
            stopped: asked now and then; True ends the run where it is.
            on_progress: told now and then how many ticks have been processed.

        Raises:
            PandaError: the source cannot be read.
        """
        started = self._clock.monotonic()
        given = blocks(self._source, self._refuse, stopped)
        if self._speed is not None:
            given = paced(given, speed=self._speed, clock=self._clock, stopped=stopped)
        for block in given:
            if stopped():
                break
            self._take(block)
            on_progress(self._ticks)
        return ReplayResult(
            is_complete=not stopped(),
            ticks=self._ticks,
            seconds=self._clock.monotonic() - started,
            fingerprint=Fingerprint(
                ticks=self._tick_hash.hexdigest(),
                configuration=self._configuration,
                signals=self._signal_hash.hexdigest(),
                fills=self._fill_hash.hexdigest(),
            ),
            open_orders=self._trading.open_orders,
        )

    def _take(self, block: Block) -> None:
        heard = [self._processed(arrivals.columns) for arrivals in block]
        outcomes = _as_arrived(block, [one.spoken for one in heard])
        is_mixed = any(one.spoken.has_refusals for one in heard)
        signals = signals_among(outcomes) if is_mixed else cast("Sequence[TradingSignal]", outcomes)
        for listener in self._listeners:
            listener.signals(signals)
        if self._is_trading:
            self._trade(heard, None if len(block) == 1 else arrival_order(block))
        elif is_mixed:
            for outcome in outcomes:
                self._on_outcome(outcome)

    def _trade(self, heard: Sequence[_Heard], order: Integers | None) -> None:
        """Tick by tick: first it fills orders of before, then strategies have their say."""
        waiting, on_tick = self._trading.instruments, self._trading.on_tick
        ticks = list(chain.from_iterable(one.ticks for one in heard))
        offsets = list(chain.from_iterable(one.offsets for one in heard))
        said = list(chain.from_iterable(one.said for one in heard))
        partitions = list(chain.from_iterable([one.partition] * len(one.ticks) for one in heard))
        indices: Iterable[int] = range(len(ticks)) if order is None else order.tolist()
        for index in indices:
            tick, offset = ticks[index], offsets[index]
            if tick[0] in waiting:
                for report in on_tick(offset, tick):
                    self._on_event(report, partitions[index])
            for outcome in said[index]:
                self._on_outcome(outcome)

    def _processed(self, columns: TickColumns) -> _Heard:
        """What strategies say at each tick, and could be written."""
        for listener in self._listeners:
            listener.ticks(columns)
        self._tick_hash.add(columns)
        self._ticks += len(columns)
        offsets: list[int] = columns.offsets.tolist()
        ticks = columns.ticks()
        said = self._partitions[columns.partition].process_batch(ticks, offsets)
        spoken = Spoken(said)
        try:
            values = list(map(self._encode, spoken.signals))
        except WireError:
            said = [[self._writable(outcome) for outcome in some] for some in said]
            spoken = Spoken(said)
            values = list(map(self._encode, spoken.signals))
        self._signal_hash.add(columns.partition, values)
        return _Heard(columns.partition, ticks, offsets, said, spoken)

    def _writable(self, outcome: Outcome) -> Outcome:
        """``outcome``, or the refusal of a signal that cannot be written."""
        if isinstance(outcome, TradingSignal):
            try:
                self._encode(outcome)
            except WireError as error:
                return refusal(outcome, error)
        return outcome

    def _on_outcome(self, outcome: Outcome) -> None:
        if isinstance(outcome, TradingSignal):
            if outcome.brokers:
                for event in self._trading.on_signal(outcome):
                    self._on_event(event, outcome.tick_partition)
            return
        for listener in self._listeners:
            listener.rejection(outcome)

    def _on_event(self, event: Event, partition: int) -> None:
        match event:
            case Order():
                for listener in self._listeners:
                    listener.order(event)
            case ExecutionReport():
                if event.last_quantity:
                    self._fill_hash.add(partition, [self._encode_execution(event)])
                for listener in self._listeners:
                    listener.execution(event)
            case Rejection():
                for listener in self._listeners:
                    listener.rejection(event)

    def _refuse(self, record: Unusable) -> None:
        for listener in self._listeners:
            listener.unusable_record(record)


def _as_arrived(block: Block, spoken: Sequence[Spoken]) -> Sequence[Outcome]:
    """All that was said, in the order in which its ticks arrived."""
    if len(spoken) == 1:
        return spoken[0].outcomes
    arrived = [part.arrived_us[one.places] for part, one in zip(block, spoken, strict=True)]
    order: list[int] = np.argsort(np.concatenate(arrived), kind="stable").tolist()
    outcomes = list(chain.from_iterable(one.outcomes for one in spoken))
    return [outcomes[at] for at in order]
