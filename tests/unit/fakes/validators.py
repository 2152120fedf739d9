"""Validators that judge nothing, everything, or badly."""

from collections.abc import Sequence
from typing import Any

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import RejectionCode, Violation

REFUSAL = Violation(code=RejectionCode.CONFIDENCE_TOO_LOW, reason="never sure enough")


class Answers:
    """Gives the same answer to every signal; has the same to say of every configuration."""

    def __init__(self, answer: Any = None, problems: Sequence[str] = ()) -> None:
        self.answer = answer
        self.problems = tuple(problems)

    def validate_signal(self, signal: SignalResult, market_data: MarketTick, /) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def validate_configuration(self, config: StrategyConfig, /) -> tuple[str, ...]:
        return self.problems
