"""``rules_rsi`` that takes its time, so that one worker cannot do more than 5,000 ticks/s."""

import time
from collections.abc import Sequence

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from algo_panda.strategies import rules_rsi

STRATEGY_TYPE = "rules_rsi_slow"
TICK_SECONDS = 200e-6
"""Of CPU, for every tick, over and above its work."""


class SlowRsi:
    history_size = 0

    def __init__(self, fast: rules_rsi.RulesRsi) -> None:
        self._fast = fast

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        until = time.perf_counter() + TICK_SECONDS
        while time.perf_counter() < until:
            pass
        return self._fast.process_tick(tick, history)

    def snapshot(self) -> bytes:
        return self._fast.snapshot()

    def restore(self, state: bytes, /) -> None:
        self._fast.restore(state)


def create_processor(config: StrategyConfig, context: ExecutionContext) -> SlowRsi:
    return SlowRsi(rules_rsi.create_processor(config, context))
