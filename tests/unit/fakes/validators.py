"""Validators that judge nothing, everything, or badly."""

from collections.abc import Sequence
from typing import Any

from app.domain.config import StrategyConfig
from app.domain.market import MarketTick
from app.domain.signals import SignalResult
from app.domain.trading import RejectionCode, Violation

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
