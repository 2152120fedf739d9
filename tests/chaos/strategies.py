"""Strategies of kinds that the built-in ones are not. All are pure functions of the ticks."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.signals import SignalResult, SignalType

PROCESSORS = {
    "chaos_moody": f"{__name__}.create_moody",
    "chaos_bars": f"{__name__}.create_bars",
    "chaos_past": f"{__name__}.create_past",
    "chaos_slow": f"{__name__}.create_slow",
    "chaos_unbounded": f"{__name__}.create_unbounded",
    "chaos_recent": f"{__name__}.create_recent",
    "chaos_escaping": f"{__name__}.create_escaping",
}
KEPT = {
    "chaos_unbounded": f"{__name__}.create_kept_unbounded",
    "chaos_recent": f"{__name__}.create_kept_recent",
    "chaos_escaping": f"{__name__}.create_kept_escaping",
}
"""The same strategies with a snapshot: whoever has them instead has nothing to rebuild."""


def _signal(kind: SignalType, tick: MarketTick, why: str, quantity: int = 1) -> SignalResult:
    return SignalResult(
        signal_type=kind, confidence=0.9, quantity=quantity, price=tick.last_price, reasoning=why
    )


class Moody:
    """Fails now and then, and on one instrument for good after a while: it is quarantined."""

    history_size = 0

    def __init__(self, hopeless_token: int, hopeless_after: int, token: int) -> None:
        self._hopeless_after = hopeless_after if token == hopeless_token else None
        self._seen = 0
        self._failed = 0

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self._seen += 1
        if self._hopeless_after is not None and self._seen > self._hopeless_after:
            raise RuntimeError("hopeless")
        if self._seen % 101 in (3, 4):
            self._failed += 1
            raise RuntimeError(f"failure {self._failed}")
        if self._seen % 5 == 0:
            return _signal(SignalType.HOLD, tick, f"seen {self._seen}, failed {self._failed}")
        return None

    def snapshot(self) -> bytes:
        return json.dumps([self._seen, self._failed]).encode()

    def restore(self, state: bytes, /) -> None:
        self._seen, self._failed = json.loads(state)


class OnBars:
    """Follows the close of its bars."""

    history_size = 0

    def __init__(self) -> None:
        self._closes: list[str] = []
        self._last: Bar | None = None

    def on_bar(self, bar: Bar, /) -> None:
        self._last = bar
        self._closes = [*self._closes[-3:], str(bar.close)]

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        bar, self._last = self._last, None
        if bar is None:
            return None
        kind = SignalType.BUY if bar.close >= bar.open else SignalType.SELL
        return _signal(kind, tick, f"{bar.tick_count} ticks, closes {','.join(self._closes)}")

    def snapshot(self) -> bytes:
        return json.dumps(self._closes).encode()

    def restore(self, state: bytes, /) -> None:
        self._closes = json.loads(state)


class OnPast:
    """Knows nothing but the ticks that it is handed as history."""

    warmup_ticks = 0

    def __init__(self, size: int) -> None:
        self.history_size = size

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        if len(history) < self.history_size:
            return None
        mean = sum((past.last_price for past in history), Decimal(0)) / len(history)
        if tick.last_price == max(past.last_price for past in history):
            return _signal(SignalType.SELL, tick, f"mean of {len(history)}: {mean.normalize():f}")
        return None


SLOW = "CHAOS_SLOW"
"""Set in the workers' environment: the same strategy in a comparison does not wait."""


class Slow:
    """Blocks its worker now and then, for longer than a session may be silent."""

    history_size = 0

    def __init__(self, seconds: float, every: int) -> None:
        self._seconds = seconds if SLOW in os.environ else 0.0
        self._every = every
        self._seen = 0

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self._seen += 1
        if self._seen % self._every == 0:
            time.sleep(self._seconds)
        return _signal(SignalType.BUY, tick, str(self._seen)) if self._seen % 7 == 0 else None

    def snapshot(self) -> bytes:
        return str(self._seen).encode()

    def restore(self, state: bytes, /) -> None:
        self._seen = int(state)


class Unbounded:
    """Keeps something of every tick and every bar, and has no snapshot. Fails now and then."""

    history_size = 2

    def __init__(self) -> None:
        self._seen = 0
        self._sum = 0

    def on_bar(self, bar: Bar, /) -> None:
        self._stir(bar.tick_count, bar.volume, int(bar.close * 100))

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self._seen += 1
        self._stir(tick.price_raw, *(past.price_raw for past in history))
        if self._seen % 211 == 7:
            raise RuntimeError(f"failure at {self._seen}")
        if self._seen % 9 == 0:
            return _signal(SignalType.HOLD, tick, f"{self._seen} ticks give {self._sum}")
        return None

    def _stir(self, *numbers: int) -> None:
        for number in numbers:
            self._sum = (self._sum * 31 + number) % 1_000_000_007


class Recent:
    """Knows the last ticks, their histories and the bars that they closed; has no snapshot."""

    history_size = 3

    def __init__(self, size: int) -> None:
        self.warmup_ticks = size
        self._seen: list[list[int]] = []
        self._closed: list[int] = []

    def on_bar(self, bar: Bar, /) -> None:
        self._closed = [bar.tick_count, int(bar.open * 100)]

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        now = [tick.price_raw, *(past.price_raw for past in history), *self._closed]
        self._seen = [*self._seen, now][-self.warmup_ticks :]
        self._closed = []
        if tick.price_raw < max(first for first, *_ in self._seen):
            return None
        numbers = [number for past in self._seen for number in past]
        return _signal(SignalType.HOLD, tick, f"{len(numbers)} numbers, {hash(tuple(numbers))}")


class PanicError(BaseException):
    """As the panics of libraries that are written in Rust: no ``Exception``."""


ESCAPES: dict[int, type[BaseException]] = {
    3: KeyboardInterrupt,
    17: SystemExit,
    31: GeneratorExit,
    47: asyncio.CancelledError,
    61: PanicError,
    79: StopIteration,
}
"""What is raised at which ticks, of every hundred."""


class Escaping:
    """Raises what is no ordinary exception: for ticks, for bars, and when it is to be stored.

    Its snapshot always fails, each time in another way, so a restart has to rebuild it. None of it
    may be seen in a signal.
    """

    history_size = 0

    def __init__(self, quantity: int) -> None:
        self._quantity = quantity
        self._seen = 0
        self._bars = 0

    def on_bar(self, _bar: Bar, /) -> None:
        self._bars += 1
        if self._bars % 10 == 7:
            raise PanicError(f"bar {self._bars}")

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self._seen += 1
        escape = ESCAPES.get(self._seen % 100)
        if escape is not None:
            raise escape(f"tick {self._seen}")
        if self._seen % 6:
            return None
        kind = SignalType.BUY if self._seen % 12 else SignalType.SELL
        return _signal(kind, tick, f"{self._seen} ticks, {self._bars} bars", self._quantity)

    def snapshot(self) -> bytes:
        kinds = list(ESCAPES.values())
        raise kinds[self._seen % len(kinds)](f"snapshot at {self._seen}")

    def restore(self, state: bytes, /) -> None:
        raise PanicError("there is no snapshot of it")


class _Kept:
    """Gives a strategy a snapshot."""

    def snapshot(self) -> bytes:
        return json.dumps(vars(self)).encode()

    def restore(self, state: bytes, /) -> None:
        vars(self).update(json.loads(state))


class KeptUnbounded(_Kept, Unbounded):
    """``Unbounded`` that need not be rebuilt."""


class KeptRecent(_Kept, Recent):
    """``Recent`` that need not be rebuilt."""


class KeptEscaping(_Kept, Escaping):
    """``Escaping`` that need not be rebuilt."""


def _parameters(config: StrategyConfig) -> dict[str, Any]:
    return config.processor_parameters


def create_moody(config: StrategyConfig, context: ExecutionContext) -> Moody:
    return Moody(**_parameters(config), token=context.instrument_token)


def create_bars(_config: StrategyConfig, _context: ExecutionContext) -> OnBars:
    return OnBars()


def create_past(config: StrategyConfig, _context: ExecutionContext) -> OnPast:
    return OnPast(**_parameters(config))


def create_slow(config: StrategyConfig, _context: ExecutionContext) -> Slow:
    return Slow(**_parameters(config))


def create_unbounded(_config: StrategyConfig, _context: ExecutionContext) -> Unbounded:
    return Unbounded()


def create_recent(config: StrategyConfig, _context: ExecutionContext) -> Recent:
    return Recent(**_parameters(config))


def create_escaping(config: StrategyConfig, _context: ExecutionContext) -> Escaping:
    return Escaping(**_parameters(config))


def create_kept_escaping(config: StrategyConfig, _context: ExecutionContext) -> Escaping:
    return KeptEscaping(**_parameters(config))


def create_kept_unbounded(_config: StrategyConfig, _context: ExecutionContext) -> Unbounded:
    return KeptUnbounded()


def create_kept_recent(config: StrategyConfig, _context: ExecutionContext) -> Recent:
    return KeptRecent(**_parameters(config))
