"""Strategies for tests: each shows one thing, and says in ``reasoning`` what it saw."""

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.money import plain
from algo_panda.domain.signals import SignalResult
from tests.unit.fakes.values import buy


class Talker:
    """Only the required method: buys at every tick."""

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        return buy(price=tick.last_price)


class Quiet:
    """Never says anything, and remembers what it was handed."""

    def __init__(self) -> None:
        self.seen: list[MarketTick] = []
        self.histories: list[Sequence[MarketTick]] = []

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self.seen.append(tick)
        self.histories.append(history)
        return None


class Answering:
    """Gives what it is told to, whatever that is; raises it where it is an exception."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick], /) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class HistoryReader:
    """Says which prices stand in its history. Keeps no state."""

    def __init__(self, history_size: int) -> None:
        self.history_size = history_size

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        return buy(price=tick.last_price, reasoning=said(history))


class Summing:
    """Keeps a running sum in ``self``, and can put it into bytes."""

    history_size = 0

    def __init__(self) -> None:
        self.count = 0
        self.total = 0

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self.count += 1
        self.total += tick.price_raw
        return buy(price=tick.last_price, reasoning=f"{self.count}: {self.total}")

    def snapshot(self) -> bytes:
        return json.dumps([self.count, self.total]).encode()

    def restore(self, state: bytes, /) -> None:
        self.count, self.total = json.loads(state)


class BarReader:
    """Says which bars it has been handed so far, and can put that into bytes."""

    def __init__(self) -> None:
        self.bars: list[str] = []

    def on_bar(self, bar: Bar, /) -> None:
        prices = (bar.open, bar.high, bar.low, bar.close)
        self.bars.append(f"{bar.start:%H:%M:%S} {' '.join(map(plain, prices))} {bar.volume}")

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        return buy(price=tick.last_price, reasoning=" | ".join(self.bars))

    def snapshot(self) -> bytes:
        return json.dumps(self.bars).encode()

    def restore(self, state: bytes, /) -> None:
        self.bars = json.loads(state)


class WarmingUp:
    """Keeps a window of its own, which only ``warmup`` can give back."""

    def __init__(self, history_size: int) -> None:
        self.history_size = history_size
        self.window: deque[MarketTick] = deque(maxlen=history_size)

    def warmup(self, history: Sequence[MarketTick], /) -> None:
        self.window.extend(history)

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        before = said(self.window)
        self.window.append(tick)
        return buy(price=tick.last_price, reasoning=before)


class RaisingBelow:
    """Cannot bear a price below a limit; keeps no state."""

    history_size = 0

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        if tick.last_price < self.limit:
            raise RuntimeError(f"{plain(tick.last_price)} is too low")
        return buy(price=tick.last_price)


def said(ticks: Sequence[MarketTick] | deque[MarketTick]) -> str:
    return ",".join(plain(tick.last_price) for tick in ticks)
