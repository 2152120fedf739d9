"""One strategy on one instrument, from its first tick on, without a restart."""

from typing import Any, NamedTuple

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from tests.oracle.runner.bars import Bars
from tests.oracle.runner.judging import Invalid, Refused, judged
from tests.oracle.runner.user_code import Processor, attempt

_LEAST_STRETCH = 100
_LARGEST_SNAPSHOT = 1024 * 1024


class Made(NamedTuple):
    """A strategy's own code on one instrument."""

    processor: Processor
    validator: Any
    """None: one of the package's own."""


class Quarantine(NamedTuple):
    """Why a strategy takes no ticks of an instrument any more."""

    version: int
    named: tuple[str, ...]
    """What the recorded reason contains."""


class Mark(NamedTuple):
    """A tick from which on a processor can be rebuilt."""

    offset: int
    bars: bytes | None


class Strategy:
    """What a strategy knows of an instrument."""

    def __init__(self, config: StrategyConfig, token: int, made: Made) -> None:
        processor = made.processor
        self.config = config
        self.processor = processor
        self._token = token
        self._validator = made.validator
        self._history: list[MarketTick] = []
        self._bars = Bars(token, config.bar_seconds) if processor.has("on_bar") else None
        self.seen = 0
        """Ticks that it was given."""
        self.failures = 0
        """In a row."""
        self.quarantine: Quarantine | None = None
        self.marks: list[Mark] = []
        self._stretch = _stretch(processor)
        if processor.has("warmup"):
            attempt(processor.code.warmup, ())  # it is new on the instrument

    def goes_on_as(self, config: StrategyConfig, made: Made) -> None:
        """Become another version of the row with the same configuration; nothing is forgotten."""
        state = self.snapshot()
        if state is not None:
            _, error = attempt(made.processor.code.restore, state)
            self.processor = made.processor if error is None else self.processor
        self.config, self._validator = config, made.validator

    def take(
        self, tick: MarketTick, offset: int, partition: int, quarantine_after: int
    ) -> SignalResult | Refused | None:
        """Give it a tick; return what it emits."""
        if self.quarantine:
            return None
        size = self.processor.history_size
        history = tuple(self._history[-size:]) if size else ()
        self._set_mark(offset)
        self.seen += 1
        self._history = [*history, tick]
        answer, error = attempt(self._answer, tick, history)
        if error is None:
            self.failures = 0
            return answer  # type: ignore[no-any-return]
        self.failures += 1
        if self.failures >= quarantine_after:
            where = f"instrument {self._token}", f"partition {partition}", f"offset {offset}"
            kind = () if isinstance(error, Invalid) else (type(error).__name__,)
            named = (f"{self.failures} failures in a row", *where, *kind)
            self.quarantine = Quarantine(self.config.version, named)
        return None

    def _answer(
        self, tick: MarketTick, history: tuple[MarketTick, ...]
    ) -> SignalResult | Refused | None:
        bar = self._bars.take(tick) if self._bars else None
        if bar is not None:
            self.processor.code.on_bar(bar)
        result = self.processor.code.process_tick(tick, history)
        return None if result is None else judged(result, tick, self.config, self._validator)

    def _set_mark(self, offset: int) -> None:
        """Keep the tick it began with; and the newest two of every so many, if that is enough."""
        stretch = self._stretch
        if (self.seen == 0 and stretch != 0) or (stretch and self.seen % stretch == 0):
            bars = self._bars.stored() if self._bars and self.seen else None
            self.marks = [*self.marks[-1:], Mark(offset, bars)]

    # As states hold it

    @property
    def bars(self) -> bytes | None:
        return self._bars.stored() if self._bars and not self.quarantine else None

    def snapshot(self) -> bytes | None:
        """Return the processor's own snapshot; None if it gives none that can be kept."""
        if self.quarantine or not self.processor.has("snapshot"):
            return None
        state, _ = attempt(self.processor.code.snapshot)
        return state if type(state) is bytes and len(state) <= _LARGEST_SNAPSHOT else None


def _stretch(processor: Processor) -> int | None:
    """Return after how many ticks the next mark is due; 0: there are none; None: one is enough."""
    needed = processor.warmup_ticks
    if processor.has("warmup"):
        needed = needed or 0
    elif needed:
        needed += processor.history_size
    return max(needed, _LEAST_STRETCH) if needed else needed
