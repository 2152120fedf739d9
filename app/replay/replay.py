"""The replay itself: recorded ticks in, everything that the live system would say out."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.domain.signals import TradingSignal
from app.domain.trading import ExecutionReport, Order, Rejection
from app.replay.fingerprint import Fingerprint, RecordHash, TickHash
from app.replay.merging import Arrivals, Block, arrival_order, blocks
from app.replay.ticks import RecordedTicks, TickColumns, Unusable
from app.replay.trading import Trading
from app.runner.runner import StrategyRunner
from app.wire.codecs import Codec
from app.wire.errors import WireError
from app.wire.refusal import refusal

Said = Sequence[TradingSignal | Rejection]


class ReplayListener(Protocol):
    """Hears what happens in a replay, in order."""

    def ticks(self, columns: TickColumns, /) -> None:
        """These are about to be processed."""

    def unusable_record(self, record: Unusable, /) -> None:
        """A record is no tick."""

    def signal(self, signal: TradingSignal, /) -> None:
        """A strategy said something, and its validator let it pass."""

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
    """Whether all ticks were processed; else it was stopped."""
    ticks: int
    seconds: float
    fingerprint: Fingerprint

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
        trading: what becomes of signals.
        codecs: of the records.
        configuration: hash of what runs, for the fingerprint.
        listeners: hear what happens.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        *,
        source: RecordedTicks,
        runner: StrategyRunner,
        trading: Trading,
        codecs: ReplayCodecs,
        configuration: str,
        listeners: Sequence[ReplayListener],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._trading = trading
        self._codecs = codecs
        self._configuration = configuration
        self._listeners = tuple(listeners)
        self._clock = clock
        self._partitions = {
            number: runner.partition(topic_id=source.topic_id, partition=number)
            for number in source.partitions
        }
        self._ticks = 0
        self._tick_hash = TickHash()
        self._signal_hash = RecordHash()
        self._execution_hash = RecordHash()

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
        started = self._clock()
        is_complete = True
        for block in blocks(self._source, self._refuse):
            if stopped():
                is_complete = False
                break
            self._take(block)
            on_progress(self._ticks)
        return ReplayResult(
            is_complete=is_complete,
            ticks=self._ticks,
            seconds=self._clock() - started,
            fingerprint=Fingerprint(
                ticks=self._tick_hash.hexdigest(),
                configuration=self._configuration,
                signals=self._signal_hash.hexdigest(),
                executions=self._execution_hash.hexdigest(),
            ),
        )

    def _take(self, block: Block) -> None:
        said: list[Said] = []
        for arrivals in block:
            said.extend(self._processed(arrivals))
        for outcomes in _in_order(said, block):
            for outcome in outcomes:
                self._on_outcome(outcome)

    def _processed(self, arrivals: Arrivals) -> Sequence[Said]:
        columns = arrivals.columns
        for listener in self._listeners:
            listener.ticks(columns)
        self._tick_hash.add_columns(columns)
        self._ticks += len(columns)
        runner = self._partitions[columns.partition]
        known = runner.known
        return runner.process_batch(
            [
                (tick, offset, known(tick.instrument_token))
                for tick, offset in zip(columns.ticks(), columns.offsets.tolist(), strict=True)
            ]
        )

    def _on_outcome(self, outcome: TradingSignal | Rejection) -> None:
        if isinstance(outcome, TradingSignal):
            try:
                value = self._codecs.signals.encode(outcome)
            except WireError as error:
                outcome = refusal(outcome, error)
            else:
                self._on_signal(outcome, value)
                return
        for listener in self._listeners:
            listener.rejection(outcome)

    def _on_signal(self, signal: TradingSignal, value: bytes) -> None:
        partition = signal.tick_partition
        self._signal_hash.add_record(partition, b"%d" % signal.instrument_token, value)
        for listener in self._listeners:
            listener.signal(signal)
        if not signal.brokers:
            return
        for event in self._trading.on_signal(signal):
            self._on_event(event, partition)

    def _on_event(self, event: Order | ExecutionReport | Rejection, partition: int) -> None:
        match event:
            case Order():
                for listener in self._listeners:
                    listener.order(event)
            case ExecutionReport():
                self._execution_hash.add_record(
                    partition,
                    b"%d" % event.instrument_token,
                    self._codecs.executions.encode(event),
                )
                for listener in self._listeners:
                    listener.execution(event)
            case Rejection():
                for listener in self._listeners:
                    listener.rejection(event)

    def _refuse(self, record: Unusable) -> None:
        for listener in self._listeners:
            listener.unusable_record(record)


def _in_order(said: Sequence[Said], block: Block) -> Iterator[Said]:
    """What was said at each tick, in the order in which the ticks arrived."""
    if len(block) == 1:
        return iter(said)
    order = arrival_order(block)
    spoke = np.fromiter(map(bool, said), np.bool_, len(said))
    indices: list[int] = order[spoke[order]].tolist()
    return (said[index] for index in indices)
