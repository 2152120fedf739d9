"""Brings the strategies of a partition back to the state that they had."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from algo_panda.domain.market import MarketTick
from algo_panda.runner.arrival import ArrivalPolicy
from algo_panda.runner.rebuild import InstrumentReplay, Origin
from algo_panda.runner.slot import StrategySlot

logger = logging.getLogger(__name__)


class TickSpan(NamedTuple):
    """Past ticks that are needed: of these instruments, from ``first`` up to before ``end``."""

    first: int
    end: int
    tokens: frozenset[int]


class Restoration:
    """The strategies that a partition was restored with, and the replays that some wait for."""

    def __init__(self, arrival: ArrivalPolicy) -> None:
        self._arrival = arrival
        self._slots: list[StrategySlot] = []
        self._replays: dict[int, InstrumentReplay] = {}

    def add(self, token: int, slots: Sequence[StrategySlot], end: int) -> None:
        """Take note of an instrument; ``end`` is the offset behind the last tick it had."""
        self._slots.extend(slots)
        waiting = [slot.replay for slot in slots if slot.replay is not None]
        if waiting:
            self._replays[token] = InstrumentReplay(waiting, end, self._arrival)

    def needs_ticks(self) -> TickSpan | None:
        """The ticks that replays wait for."""
        if not self._replays:
            return None
        return TickSpan(
            min(replay.first for replay in self._replays.values()),
            max(replay.end for replay in self._replays.values()),
            frozenset(self._replays),
        )

    def take(self, ticks: Iterable[tuple[int, MarketTick]]) -> None:
        """Take offsets and ticks; offsets only rise, from call to call, too."""
        for offset, tick in ticks:
            replay = self._replays.get(tick.instrument_token)
            if replay is not None:
                replay.take(tick, offset)

    def finish(self, partition: int) -> None:
        """All ticks that there are were taken: end the replays, and log how all came back."""
        for slot in self._slots:
            slot.finish_replay()
        if self._slots:
            self._log(partition)
        self._slots.clear()
        self._replays.clear()

    def _log(self, partition: int) -> None:
        outcomes = [slot.restored for slot in self._slots]
        count = Counter(outcome.origin for outcome in outcomes)
        ticks = sum(o.ticks for o in outcomes if o.origin is Origin.REPLAYED)
        cold = [slot for slot in self._slots if slot.restored.origin is Origin.COLD]
        logger.log(
            logging.WARNING if cold else logging.INFO,
            "partition %d: %d restored from snapshot, %d rebuilt by replay of %d ticks,"
            " %d warmed up, %d new, %d quarantined, %d cold%s",
            partition,
            count[Origin.SNAPSHOT],
            count[Origin.REPLAYED],
            ticks,
            count[Origin.WARMED_UP],
            count[Origin.NEW],
            count[Origin.QUARANTINED],
            len(cold),
            f" (strategy {cold[0].name}: {cold[0].restored.missing})" if cold else "",
        )
