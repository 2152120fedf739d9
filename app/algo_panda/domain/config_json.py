"""A strategy's configuration as JSON values, for records that have to bring it back."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from algo_panda.domain.config import StrategyConfig


def config_fields(config: StrategyConfig) -> dict[str, Any]:
    """All of ``config`` but whether it is enabled: what is written down runs, or ran."""
    return {
        "id": str(config.id),
        "strategy_type": config.strategy_type,
        "parameters": dict(config.parameters),
        "instruments": config.instruments,
        "active_brokers": config.active_brokers,
        "validator_type": config.validator_type,
        "zerodha_trading_enabled": config.zerodha_trading_enabled,
        "version": config.version,
    }


def config_of(fields: Mapping[str, Any]) -> StrategyConfig:
    """Read what ``config_fields`` gave.

    Raises:
        KeyError: a field is missing.
        ValueError: one is of the wrong form.
    """
    brokers = fields["active_brokers"]
    return StrategyConfig(
        id=UUID(fields["id"]),
        strategy_type=fields["strategy_type"],
        parameters=fields["parameters"],
        instruments=tuple(fields["instruments"]),
        active_brokers=None if brokers is None else tuple(brokers),
        validator_type=fields["validator_type"],
        zerodha_trading_enabled=fields["zerodha_trading_enabled"],
        version=fields["version"],
    )
