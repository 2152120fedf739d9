"""A strategy in a loose file, which answers every tick; and ticks for it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
TOKENS = (1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008)
PROCESSORS = {"PANDA_PROCESSORS": json.dumps({"echo": "echo.create_processor"})}
STRATEGY = StrategyConfig(id=UUID(int=1), strategy_type="echo", instruments=TOKENS)

_SOURCE = """
from algo_panda import SignalResult, SignalType


class Echo:
    warmup_ticks = 0
    history_size = 0

    def process_tick(self, tick, history):
        return SignalResult(
            signal_type=SignalType.HOLD,
            confidence=1.0,
            quantity=1,
            price=tick.last_price,
            reasoning="{edition}",
        )


def create_processor(parameters):
    return Echo()
"""


def write_echo(folder: Path, edition: str = "first") -> None:
    """Write the module; its signals say which edition of it is at work."""
    (folder / "echo.py").write_text(_SOURCE.replace("{edition}", edition))


def ticks(first: int, count: int, tokens: Sequence[int] = TOKENS) -> list[MarketTick]:
    """So many ticks of each instrument, one a second."""
    return [
        MarketTick.of(
            instrument_token=token,
            event_time=START + timedelta(seconds=n),
            last_price=100 + n,
        )
        for n in range(first, first + count)
        for token in tokens
    ]
