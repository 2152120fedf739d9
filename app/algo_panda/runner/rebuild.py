"""How a processor that cannot take its state back comes to it: by the ticks that gave it."""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import getcontext, setcontext
from enum import Enum, auto
from typing import NamedTuple, cast

from algo_panda.domain.arithmetic import computing_in
from algo_panda.domain.bars import BarBuilder
from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.executor import StrategyExecutor
from algo_panda.domain.history import HistoryBuffer
from algo_panda.domain.market import MarketTick
from algo_panda.domain.protocols import ConsumesBars, WarmsUp
from algo_panda.runner.arrival import ArrivalPolicy, irregularities
from algo_panda.runner.explain import described
from algo_panda.runner.state import Mark

logger = logging.getLogger(__name__)

_SHORTEST_STRETCH = 100
"""Ticks from one mark to the next, at least: a mark may hold a bar builder's snapshot."""

_NEVER = -1


class Origin(Enum):
    """Where a strategy on an instrument has its state from."""

    NEW = auto()
    SNAPSHOT = auto()
    WARMED_UP = auto()
    REPLAYED = auto()
    QUARANTINED = auto()
    COLD = auto()


class Restored(NamedTuple):
    """How a strategy on an instrument came to its state."""

    origin: Origin
    ticks: int = 0
    """Past ticks that the processor was given."""
    missing: str | None = None
    """Why it is cold."""


def ticks_needed(capabilities: Capabilities) -> int | None:
    """Past ticks that a new processor wants to be given; None: all that the one before it took.

    ``warmup`` without ``warmup_ticks`` wants none: the recorded history is enough for it.
    """
    declared = capabilities.warmup_ticks
    if capabilities.warmup:
        return declared or 0
    return declared + capabilities.history_size if declared else declared


class Marks:
    """Remembers from which ticks on a processor can be rebuilt.

    A mark is an offset, and the bars as they were before it. There is one where the strategy
    began; where a bounded number of ticks is enough, there is one every so many ticks, and the
    newest two are kept: from the older one on there are enough. Where they are depends on the
    ticks alone, so whoever processes them gets the same.
    """

    __slots__ = ("_stretch", "kept", "next_at")

    def __init__(self, needed: int | None) -> None:
        """Start without a mark; for ``needed`` see ``ticks_needed``."""
        self._stretch = None if needed is None else max(needed, _SHORTEST_STRETCH)
        self.kept: tuple[Mark, ...] = ()
        self.next_at = _NEVER if needed == 0 else 0
        """Before which tick, counted from 0, the next mark is due."""

    def add(self, mark: Mark) -> None:
        """Keep the one that was due."""
        self.kept = (*self.kept[-1:], mark)
        self.next_at = _NEVER if self._stretch is None else self.next_at + self._stretch

    def restore(self, kept: tuple[Mark, ...], seen: int) -> None:
        """Go on from ``kept``, after ``seen`` ticks."""
        if self.next_at == _NEVER:
            return
        self.kept = kept
        if self._stretch is not None:
            self.next_at = -(-seen // self._stretch) * self._stretch
        elif seen:
            self.next_at = _NEVER


class Replay:
    """Gives one processor the ticks that its predecessor had. What it says goes nowhere."""

    def __init__(self, executor: StrategyExecutor, marks: Sequence[Mark], seen: int) -> None:
        """Prepare it.

        Args:
            executor: holds a processor that has seen nothing yet.
            marks: where its ticks can be found, oldest first.
            seen: how many ticks its predecessor took.
        """
        self._executor = executor
        self._mark = marks[0] if marks else None
        self._needed = ticks_needed(executor.capabilities)
        self._wanted = seen if self._needed is None else min(seen, self._needed)
        self._history = HistoryBuffer(executor.capabilities.history_size)
        self._waiting: deque[MarketTick] = deque()
        self._came = 0
        self._bars_are_whole = True
        self._consumer: ConsumesBars | None = None
        if executor.capabilities.on_bar:
            self._consumer = cast("ConsumesBars", executor.processor)
        self.bars = BarBuilder(executor.context.instrument_token, executor.config.bar_seconds)
        self.given = 0
        """Ticks that the processor was given."""

    @property
    def first_offset(self) -> int | None:
        """From where on ticks have to come; None: none is needed, or nobody knows where from."""
        return self._mark.offset if self._mark is not None and self._wanted else None

    def take(self, tick: MarketTick, offset: int) -> None:
        """Take the next tick that the predecessor took, or one from before those."""
        if self._mark is None or offset < self._mark.offset:
            return
        if not self._came:
            self._begin_bars(self._mark, offset)
        self._came += 1
        if self._needed is None:
            self._give(tick)
            return
        self._waiting.append(tick)
        if len(self._waiting) > self._wanted:
            self._pass_by(self._waiting.popleft())

    def finish(self) -> str | None:
        """Give it what it has not got yet; what is missing, in words, or None."""
        if self._executor.capabilities.warmup:
            self._warm_up(cast("WarmsUp", self._executor.processor))
        else:
            for _ in range(len(self._waiting) - (self._executor.capabilities.warmup_ticks or 0)):
                self._pass_by(self._waiting.popleft())
            for tick in self._waiting:
                self._give(tick)
        return self._missing()

    def _missing(self) -> str | None:
        if not self._wanted:
            return None
        if self._mark is None:
            return "it is not recorded with which tick it began"
        if self._came < self._wanted:
            return f"it needs {self._wanted} ticks, and {self._came} are retained"
        if not self._bars_are_whole:
            return "the ticks of its bars are not retained"
        return None

    def _begin_bars(self, mark: Mark, offset: int) -> None:
        if self._consumer is None:
            return
        self._bars_are_whole = offset == mark.offset
        if self._bars_are_whole and mark.bars is not None:
            try:
                self.bars.restore(mark.bars)
            except ValueError:
                self._bars_are_whole = False

    def _pass_by(self, tick: MarketTick) -> None:
        """It comes before those that the processor is given."""
        if self._consumer is not None:
            self.bars.update(tick)
        self._history.append(tick)

    def _give(self, tick: MarketTick) -> None:
        self.given += 1
        history = self._history.last(self._history.capacity)
        before = getcontext()
        setcontext(self._executor.arithmetic)
        try:
            bar = None if self._consumer is None else self.bars.update(tick)
            if bar is not None and self._consumer is not None:
                self._consumer.on_bar(bar)
            self._executor.processor.process_tick(tick, history)
        except BaseException as error:  # it failed then, too, and was counted
            if is_interrupt(error):
                raise
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug(
                    "strategy %s: failed in a replay: %s",
                    self._executor.config.id,
                    described(error),
                )
        finally:
            setcontext(before)
        self._history.append(tick)

    def _warm_up(self, processor: WarmsUp) -> None:
        self.given = len(self._waiting)
        try:
            with computing_in(self._executor.arithmetic):
                processor.warmup(tuple(self._waiting))
        except BaseException as error:  # a strategy may raise anything
            if is_interrupt(error):
                raise
            logger.warning(
                "strategy %s: warmup failed: %s", self._executor.config.id, described(error)
            )


class InstrumentReplay:
    """The replays on one instrument: they take what was not dropped."""

    def __init__(self, replays: Iterable[Replay], end: int, arrival: ArrivalPolicy) -> None:
        """Prepare them; ``end`` is the offset behind the last tick that went into the record."""
        self._replays = tuple(replays)
        self._arrival = arrival
        self._before: MarketTick | None = None
        self._newest_us = 0
        self.end = end
        self.first = min(r.first_offset for r in self._replays if r.first_offset is not None)
        """The first offset of those that have to come."""

    def take(self, tick: MarketTick, offset: int) -> None:
        """Take a tick of the instrument; offsets only rise.

        The first one was taken then, since marks are at ticks that were. Where ticks out of order
        are dropped it was thus the newest of all: nothing before it decides what becomes of the
        ones behind it.
        """
        if not self.first <= offset < self.end:
            return
        kinds = irregularities(tick, self._before, self._newest_us)
        self._before = tick
        self._newest_us = max(self._newest_us, tick.event_time_us)
        if not any(map(self._arrival.drops, kinds)):
            for replay in self._replays:
                replay.take(tick, offset)
