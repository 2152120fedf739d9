"""Which strategy and validator types there are."""

from dataclasses import fields
from importlib.metadata import entry_points
from typing import Any

from algo_panda.bootstrap.user_modules import UserModules
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.settings import Settings

PROCESSORS = {
    "rules_rsi": "algo_panda.strategies.rules_rsi.create_processor",
    "ml_momentum": "algo_panda.strategies.ml_momentum.create_processor",
    "hybrid_ml_rsi_filter": "algo_panda.strategies.hybrid_ml_rsi.create_processor",
}

VALIDATORS = {
    "standard": "algo_panda.validation.standard.create_validator",
    "strict_risk": "algo_panda.validation.strict_risk.create_validator",
}

PROCESSOR_ENTRY_POINTS = "algo_panda.processors"
VALIDATOR_ENTRY_POINTS = "algo_panda.validators"


def build_factory(settings: Settings) -> StrategyFactory:
    """Build a factory that knows the types: built in, of installed packages, and of the settings.

    A later source replaces a type of the same name. Dotted paths of the settings may name modules
    in the folders of ``PANDA_STRATEGIES_PATH``. Nothing is imported before it is used.

    Raises:
        ConfigurationError: a folder of ``PANDA_STRATEGIES_PATH`` does not exist.
    """
    modules = UserModules(settings.strategies_path)
    if settings.processors or settings.validators or settings.strategies_path:
        modules.add_to_path()
    factory = StrategyFactory(load=modules.load)
    for name, path in (
        *PROCESSORS.items(),
        *_installed(PROCESSOR_ENTRY_POINTS),
        *settings.processors.items(),
    ):
        factory.register_processor(name, path)
    for name, path in (
        *VALIDATORS.items(),
        *_installed(VALIDATOR_ENTRY_POINTS),
        *settings.validators.items(),
    ):
        factory.register_validator(name, path)
    return factory


def init_values(config: StrategyConfig) -> dict[str, Any]:
    """What ``config`` can be made of again; itself, it cannot be sent to another process."""
    values = {one.name: getattr(config, one.name) for one in fields(config) if one.init}
    return {**values, "parameters": dict(config.parameters)}


def _installed(group: str) -> list[tuple[str, str]]:
    """Entry points are ``module:attribute``; dotted paths have a point there."""
    return [(point.name, point.value.replace(":", ".")) for point in entry_points(group=group)]
