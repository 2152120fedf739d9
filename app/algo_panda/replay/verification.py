"""Compares what a replay says with what was said live, signal by signal, byte by byte."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.replay.live_pass import LivePass
from algo_panda.replay.live_versions import Gap, Segment, Version
from algo_panda.replay.selection import Selection
from algo_panda.replay.ticks import RECEIVED, RecordedTicks, TickColumns
from algo_panda.runner.state import StrategyRecord
from algo_panda.wire.codecs import Codec
from algo_panda.wire.errors import WireError


class LiveSignal(NamedTuple):
    """A record on ``signals``."""

    signal: TradingSignal
    value: bytes
    is_contradicted: bool = False
    """Whether the same signal was sent again with other bytes: it is no function of its tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A signal on which live and replay do not agree."""

    live: TradingSignal | None
    """None: there was none live."""
    replayed: TradingSignal | None
    """None: the replay says nothing."""
    is_contradicted: bool = False
    """Whether live, it was sent twice, and not the same."""

    @property
    def signal(self) -> TradingSignal:
        """Either of them: they are of the same strategy and tick."""
        signal = self.live or self.replayed
        assert signal is not None  # noqa: S101 - or there would be no difference
        return signal

    @property
    def place(self) -> tuple[int, str]:
        """What they are sorted by."""
        return self.signal.tick_offset, self.signal.strategy_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The first difference, and what led to it."""

    difference: Difference
    tick: MarketTick | None
    """None: the source has no such tick."""
    state: StrategyRecord | None
    """The strategy's on the instrument before the tick, in the replay; None: it has none."""


@dataclass(slots=True)
class PartitionVerdict:
    """What came of one partition."""

    partition: int
    ticks: int = 0
    """That were compared."""
    signals: int = 0
    """On which both agree."""
    first_offset: int | None = None
    end_offset: int | None = None
    differences: int = 0
    first: Explained | None = None
    only_live: int = 0
    only_replayed: int = 0
    unknown: frozenset[Version] = frozenset()
    """Versions that ran and are not compared: their configuration is not on record."""
    kept_from: int = 0
    """Ticks before this offset are not compared: their signals are not on the topic any more."""
    is_cold: bool = False
    """Whether ticks of before the first one that is there had warmed strategies up, live."""
    gaps: Sequence[Gap] = ()
    """Ticks that strategies did not see live: neither live nor replay has signals of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Compares partitions.

    Args:
        source: the ticks.
        selection: which ticks to compare, by time of arrival; what came before warms up.
        ends: of each partition, the first offset that the live runner has not made durable.
        kept_from: of each partition, the first offset from which on all signals are still kept.
        signals: codec of the topic's values.
        segments: what ran on a partition.
        new_pass: begins a pass over a partition.
        on_progress: told how many ticks were processed since it was told last.
    """

    source: RecordedTicks
    selection: Selection
    ends: Mapping[int, int]
    kept_from: Mapping[int, int]
    signals: Codec[TradingSignal]
    segments: Callable[[int], Sequence[Segment]]
    new_pass: Callable[[int], LivePass]
    on_progress: Callable[[int], None] = field(default=lambda _ticks: None)

    def verify(self, partition: int, live: dict[str, LiveSignal]) -> PartitionVerdict:
        """Compare a partition.

        Args:
            partition: of ``ticks``.
            live: what was said of its ticks, by signal id. It is used up.
        """
        stretches = self.segments(partition)
        unknown = frozenset(chain.from_iterable(one.unknown for one in stretches))
        kept_from = self.kept_from.get(partition, 0)
        verdict = PartitionVerdict(partition=partition, unknown=unknown, kept_from=kept_from)
        first: Difference | None = None
        begins = min((one.first_offset for one in stretches), default=0)
        is_first = True
        for columns, said in self.new_pass(partition).run(self.ends.get(partition, 0)):
            if is_first and len(columns):
                is_first = False
                verdict.is_cold = int(columns.offsets[0]) > begins
            compared = self._compared(columns)
            if compared is not None:
                self._note(verdict, columns, compared)
                for one in self._compare(verdict, said[slice(*compared)], live):
                    first = self._count(verdict, first, one)
            self.on_progress(len(columns))
        for one in self._silent(verdict, live.values()):
            first = self._count(verdict, first, one)
        if first is not None:
            verdict.first = self._explain(partition, first)
        return verdict

    @staticmethod
    def _count(verdict: PartitionVerdict, first: Difference | None, one: Difference) -> Difference:
        """Count a difference; the one that is first by its tick."""
        verdict.differences += 1
        verdict.only_replayed += one.live is None
        verdict.only_live += one.replayed is None
        return one if first is None or one.place < first.place else first

    def _compared(self, columns: TickColumns) -> tuple[int, int] | None:
        """From which to before which index ticks are compared; None: none is."""
        arrived = columns.fields[RECEIVED]
        low, high = self.selection.from_us, self.selection.to_us
        inside = np.ones(len(columns), np.bool_)
        if low is not None:
            inside &= arrived >= low
        if high is not None:
            inside &= arrived < high
        first, end = self.selection.offsets.get(columns.partition, (0, None))
        inside &= columns.offsets >= max(first, self.kept_from.get(columns.partition, 0))
        if end is not None:
            inside &= columns.offsets < end
        if self.selection.offsets and columns.partition not in self.selection.offsets:
            return None
        where = np.flatnonzero(inside)
        return (int(where[0]), int(where[-1]) + 1) if len(where) else None

    @staticmethod
    def _note(verdict: PartitionVerdict, columns: TickColumns, compared: tuple[int, int]) -> None:
        first, end = compared
        verdict.ticks += end - first
        if verdict.first_offset is None:
            verdict.first_offset = int(columns.offsets[first])
        verdict.end_offset = int(columns.offsets[end - 1]) + 1

    def _compare(
        self,
        verdict: PartitionVerdict,
        said: Sequence[Sequence[object]],
        live: dict[str, LiveSignal],
    ) -> Iterator[Difference]:
        for outcomes in said:
            for outcome in outcomes:
                if not isinstance(outcome, TradingSignal):
                    continue
                try:
                    value = self.signals.encode(outcome)
                except WireError:  # live, it was refused
                    continue
                other = live.pop(outcome.signal_id, None)
                if other is None:
                    yield Difference(live=None, replayed=outcome)
                elif other.is_contradicted or not self._is_same(other, value):
                    yield Difference(
                        live=other.signal,
                        replayed=outcome,
                        is_contradicted=other.is_contradicted,
                    )
                else:
                    verdict.signals += 1

    def _is_same(self, live: LiveSignal, value: bytes) -> bool:
        """Written with another schema version, or other ids, it is written anew to compare it."""
        return live.value == value or self.signals.encode(live.signal) == value

    @staticmethod
    def _silent(verdict: PartitionVerdict, live: Iterable[LiveSignal]) -> Iterator[Difference]:
        """What was said live of the ticks compared, and not by the replay."""
        first, end = verdict.first_offset, verdict.end_offset
        if first is None or end is None:
            return
        for one in live:
            signal = one.signal
            if (signal.strategy_id, signal.strategy_version) in verdict.unknown:
                continue
            if first <= signal.tick_offset < end:
                yield Difference(live=one.signal, replayed=None)

    def _explain(self, partition: int, first: Difference) -> Explained:
        """Go there once more, to just before the tick."""
        signal = first.signal
        passed = self.new_pass(partition)
        for _ in passed.run(signal.tick_offset):
            pass
        record = passed.state_of(signal.instrument_token)
        states = () if record is None else record.strategies
        state = next((one for one in states if one.strategy_id == signal.strategy_id), None)
        return Explained(difference=first, tick=self._tick(partition, signal), state=state)

    def _tick(self, partition: int, signal: TradingSignal) -> MarketTick | None:
        for columns in self.source.read(partition, lambda _: None):
            at = int(np.searchsorted(columns.offsets, signal.tick_offset))
            if at < len(columns):
                is_there = int(columns.offsets[at]) == signal.tick_offset
                return columns.part(at, at + 1).ticks()[0] if is_there else None
        return None
