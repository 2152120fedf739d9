"""A row to begin with for every built-in strategy type; none of them is the favoured one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from algo_panda.domain.config import StrategyConfig

_NAMESPACE = UUID("8e1f3d0a-6c3b-5b9e-9a55-7a1d0c1e52f4")
"""A random uuid, once and for all: seeding twice gives the same ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyTemplate:
    """Parameters that a strategy type can be started with."""

    strategy_type: str
    parameters: Mapping[str, Any]

    def configured(
        self, instruments: tuple[int, ...], active_brokers: tuple[str, ...]
    ) -> StrategyConfig:
        """The row that seeding stores, always under the same id."""
        return StrategyConfig(
            id=uuid5(_NAMESPACE, self.strategy_type),
            strategy_type=self.strategy_type,
            parameters=self.parameters,
            instruments=instruments,
            active_brokers=active_brokers,
        )


TEMPLATES = (
    StrategyTemplate(
        strategy_type="hybrid_ml_rsi_filter",
        parameters={"period": 14, "lower": 30, "upper": 70},
    ),
    StrategyTemplate(strategy_type="ml_momentum", parameters={}),
    StrategyTemplate(
        strategy_type="rules_rsi", parameters={"period": 14, "lower": 30, "upper": 70}
    ),
)
"""By name. A type with a model runs on the one that is shipped unless ``model_path`` names one."""
