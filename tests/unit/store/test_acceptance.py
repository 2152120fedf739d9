from collections.abc import Sequence
from uuid import uuid4

import pytest

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import Violation
from algo_panda.store.acceptance import Acceptance, factory_check


class Quiet:
    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> SignalResult | None:
        return None

    def load_model(self) -> bool:
        raise AssertionError("a check loads no model")


class Lenient:
    def validate_signal(self, signal: SignalResult, market_data: MarketTick) -> Violation | None:
        return None

    def validate_configuration(self, config: StrategyConfig) -> tuple[str, ...]:
        return ("quantity is too large",) if "quantity" in config.parameters else ()


def create(config: StrategyConfig, context: ExecutionContext) -> Quiet:
    if config.parameters.get("period") == 1:
        raise ValueError("parameter period is 1: it should be 2 or more")
    config.parameters["needed"]
    return Quiet()


def create_validator(config: StrategyConfig) -> Lenient:
    return Lenient()


FACTORY = (
    StrategyFactory()
    .register_processor("quiet", create)
    .register_validator("standard", create_validator)
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"strategy_type": "loud"}, "unknown strategy type 'loud'; known: quiet"),
        ({"validator_type": "odd"}, "unknown validator type 'odd'; known: standard"),
        ({"parameters": {"period": 1}}, "parameter period is 1: it should be 2 or more"),
        ({"parameters": {"needed": 1, "quantity": 9}}, "quantity is too large"),
        (
            {"parameters": {"needed": 1, "max_position_size": 0}},
            "max_position_size is 0, not a whole number above 0",
        ),
        (
            {"parameters": {"needed": 1, "risk_multiplier": "2"}},
            "risk_multiplier is '2', not a finite number above 0",
        ),
        ({"parameters": {"needed": 1, "max_position_size": 5, "risk_multiplier": 2}}, None),
        ({"parameters": {}}, "quiet rejects the configuration: KeyError: 'needed'"),
    ],
)
def test_a_configuration_must_make_a_strategy(
    changes: dict[str, object], reason: str | None
) -> None:
    given: dict[str, object] = {
        "id": uuid4(),
        "strategy_type": "quiet",
        "instruments": (1, 2),
        "parameters": {"needed": 1},
    }
    config = StrategyConfig(**(given | changes))  # type: ignore[arg-type]
    assert Acceptance(check=factory_check(FACTORY)).refusal(config) == reason
