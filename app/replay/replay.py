"""The replay itself: recorded ticks in, everything that the live system would say out."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import NamedTuple, Protocol

import numpy as np

from app.domain.config import StrategyConfig
from app.domain.market import MarketTick
from app.domain.signals import TradingSignal
from app.domain.trading import ExecutionReport, Rejection
from app.replay.fingerprint import Fingerprint, RecordHash, TickHash
from app.replay.merging import Block, arrival_order, blocks
from app.replay.pacing import Clock, paced
from app.replay.ticks import Integers, RecordedTicks, TickColumns, Unusable
from app.replay.trading import Event, Said, Trading
from app.runner.runner import StrategyRunner
from app.wire.codecs import Codec
from app.wire.errors import WireError
from app.wire.refusal import refusal


class _Heard(NamedTuple):
    """Ticks of one partition, as they were handed to strategies, and what these said."""

    partition: int
    rows: Sequence[tuple[MarketTick, int, None]]
    said: Sequence[Said]


class ReplayListener(Protocol):
    """Hears what happens in a replay, in order."""

    def ticks(self, columns: TickColumns, /) -> None:
        """These are about to be processed."""

    def unusable_record(self, record: Unusable, /) -> None:
        """A record is no tick."""

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        """Strategies said this, and their validators let it pass; what it leads to follows."""

    def events(self, events: Sequence[Event], /) -> None:
        """Signals and orders were refused, orders were let pass, something happened to them.

        Of the same ticks as the signals before, in the order in which it happened.
        """


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
        said = list(chain.from_iterable(one.said for one in heard))
        order = None if len(block) == 1 else arrival_order(block)
        outcomes = list(chain.from_iterable(_in_order(said, order)))
        signals = _signals(outcomes)
        for listener in self._listeners:
            listener.signals(signals)
        if self._is_trading:
            self._tell(self._trade(heard, order))
        elif len(signals) < len(outcomes):
            self._tell([outcome for outcome in outcomes if isinstance(outcome, Rejection)])

    def _trade(self, heard: Sequence[_Heard], order: Integers | None) -> Sequence[Event]:
        """What comes of ticks and signals."""
        rows = list(chain.from_iterable(one.rows for one in heard))
        said = list(chain.from_iterable(one.said for one in heard))
        partitions = list(chain.from_iterable([one.partition] * len(one.rows) for one in heard))
        indices = list(range(len(rows))) if order is None else order.tolist()
        traded = self._trading.take(rows, said, partitions, indices)
        for partition, fills in traded.fills.items():
            self._fill_hash.add(partition, list(map(self._encode_execution, fills)))
        return traded.events

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            for listener in self._listeners:
                listener.events(events)

    def _processed(self, columns: TickColumns) -> _Heard:
        """What strategies say at each tick, and could be written."""
        for listener in self._listeners:
            listener.ticks(columns)
        self._tick_hash.add(columns)
        self._ticks += len(columns)
        offsets: list[int] = columns.offsets.tolist()
        rows = list(zip(columns.ticks(), offsets, repeat(None)))
        said = self._partitions[columns.partition].process_batch(rows)
        try:
            values = list(map(self._encode, _signals(list(chain.from_iterable(said)))))
        except WireError:
            said = [[self._writable(outcome) for outcome in some] for some in said]
            values = list(map(self._encode, _signals(list(chain.from_iterable(said)))))
        self._signal_hash.add(columns.partition, values)
        return _Heard(columns.partition, rows, said)

    def _writable(self, outcome: TradingSignal | Rejection) -> TradingSignal | Rejection:
        """``outcome``, or the refusal of a signal that cannot be written."""
        if isinstance(outcome, TradingSignal):
            try:
                self._encode(outcome)
            except WireError as error:
                return refusal(outcome, error)
        return outcome

    def _refuse(self, record: Unusable) -> None:
        for listener in self._listeners:
            listener.unusable_record(record)


def _signals(outcomes: Said) -> Sequence[TradingSignal]:
    """The signals among ``outcomes``."""
    return [outcome for outcome in outcomes if isinstance(outcome, TradingSignal)]


def _in_order(said: Sequence[Said], order: Integers | None) -> Iterator[Said]:
    """What was said at each tick, in the order in which the ticks arrived."""
    if order is None:
        return iter(said)
    spoke = np.fromiter(map(bool, said), np.bool_, len(said))
    indices: list[int] = order[spoke[order]].tolist()
    return (said[index] for index in indices)
