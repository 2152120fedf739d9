"""Makes processors as the factory does."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.market import MarketTick

TOKEN = 1001


@pytest.fixture
def make() -> Callable[..., Any]:
    """A processor of the named module with the given parameters."""

    def processor(module: Any, **parameters: Any) -> Any:
        config = StrategyConfig(
            id=UUID(int=1),
            strategy_type=module.STRATEGY_TYPE,
            parameters=parameters,
            instruments=(TOKEN,),
        )
        return module.create_processor(
            config, ExecutionContext(instrument_token=TOKEN, brokers=("paper",))
        )

    return processor


@pytest.fixture
def ticks() -> Callable[..., list[MarketTick]]:
    """Ticks at the given prices, in hundredths."""

    def of(*cents: int) -> list[MarketTick]:
        return [
            MarketTick(TOKEN, 10**15 + index * 1000, price * 10**6, 10)
            for index, price in enumerate(cents)
        ]

    return of


@pytest.fixture
def factory() -> StrategyFactory:
    """Knows the built-in types by the paths that a program registers them with."""
    return (
        StrategyFactory()
        .register_processor("rules_rsi", "algo_panda.strategies.rules_rsi.create_processor")
        .register_processor("ml_momentum", "algo_panda.strategies.ml_momentum.create_processor")
        .register_processor(
            "hybrid_ml_rsi_filter", "algo_panda.strategies.hybrid_ml_rsi.create_processor"
        )
        .register_validator("standard", "algo_panda.validation.standard.create_validator")
        .register_validator("strict_risk", "algo_panda.validation.strict_risk.create_validator")
    )
