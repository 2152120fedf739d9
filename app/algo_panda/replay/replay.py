"""The replay itself: recorded ticks in, everything that the live system would say out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, cast

import numpy as np

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport, Rejection
from algo_panda.replay.fingerprint import Fingerprint, RecordHash, TickHash
from algo_panda.replay.hearing import Heard, Listens
from algo_panda.replay.merging import Block, arrival_order, blocks
from algo_panda.replay.pacing import Clock, paced
from algo_panda.replay.spoken import Outcome, Spoken, signals_among
from algo_panda.replay.ticks import RecordedTicks, TickColumns, Unusable
from algo_panda.replay.trading import Event, Trading


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


class Replay:
    """One pass over recorded ticks. Call ``run`` once.

    Args:
        source: the ticks.
        hearing: runs the strategies.
        configs: these.
        trading: what becomes of signals.
        encode_execution: an execution as the value of a record.
        configuration: hash of what runs, for the fingerprint.
        listeners: hear what happens.
        clock: for the time taken, and the pace.
        speed: 1.0 for as fast as the ticks once came; None: as fast as it goes.
    """

    def __init__(
        self,
        *,
        source: RecordedTicks,
        hearing: Listens,
        configs: Sequence[StrategyConfig],
        trading: Trading,
        encode_execution: Callable[[ExecutionReport], bytes],
        configuration: str,
        listeners: Sequence[ReplayListener],
        clock: Clock = time,
        speed: float | None = None,
    ) -> None:
        self._source = source
        self._trading = trading
        self._encode_execution = encode_execution
        self._configuration = configuration
        self._listeners = tuple(listeners)
        self._clock = clock
        self._speed = speed
        self._hearing = hearing
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
        for block, heard in self._hearing.hear(given, stopped):
            if stopped():
                break
            self._take(block, heard)
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

    def _take(self, block: Block, heard: Sequence[Heard]) -> None:
        for part, one in zip(block, heard, strict=True):
            self._open(part.columns, one)
        outcomes = _as_arrived(block, [one.spoken for one in heard])
        is_mixed = any(one.spoken.has_refusals for one in heard)
        signals = signals_among(outcomes) if is_mixed else cast("Sequence[TradingSignal]", outcomes)
        for listener in self._listeners:
            listener.signals(signals)
        if self._is_trading:
            self._tell(self._trade(block, heard))
        elif is_mixed:
            self._tell([outcome for outcome in outcomes if isinstance(outcome, Rejection)])

    def _trade(self, block: Block, heard: Sequence[Heard]) -> Sequence[Event]:
        """What comes of ticks and signals."""
        traded = self._trading.take(
            ticks=list(chain.from_iterable(one.ticks for one in heard)),
            offsets=list(chain.from_iterable(one.offsets for one in heard)),
            partitions=list(chain.from_iterable([one.partition] * len(one.ticks) for one in heard)),
            said=list(chain.from_iterable(one.said for one in heard)),
            order=None if len(block) == 1 else arrival_order(block).tolist(),
        )
        for partition, fills in traded.fills.items():
            self._fill_hash.add(partition, list(map(self._encode_execution, fills)))
        return traded.events

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            for listener in self._listeners:
                listener.events(events)

    def _open(self, columns: TickColumns, heard: Heard) -> None:
        for listener in self._listeners:
            listener.ticks(columns)
        self._ticks += len(columns)
        self._tick_hash.add(columns)
        self._signal_hash.add(columns.partition, heard.values)

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
