"""Strategy and validator types: built-in, of installed packages, and of the settings."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.metadata import entry_points
from typing import Any

from algo_panda.bootstrap.code_identity import CodeIdentities
from algo_panda.bootstrap.user_modules import UserModules
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.observability.kept import restore_process
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


def build_factory(
    settings: Settings, on_load: Callable[[str], object] = lambda _module: None
) -> StrategyFactory:
    """Build a factory that knows the types: built in, of installed packages, and of the settings.

    A later source replaces a type of the same name. Dotted paths of the settings may name modules
    in the folders of ``PANDA_STRATEGIES_PATH``. Nothing is imported before it is used.

    Args:
        settings: of this process.
        on_load: told the name of a module before a type is loaded from it.

    Raises:
        ConfigurationError: a folder of ``PANDA_STRATEGIES_PATH`` does not exist.
    """
    modules = UserModules(settings.strategies_path)
    if settings.processors or settings.validators or settings.strategies_path:
        modules.add_to_path()

    def load(path: str) -> Callable[..., Any]:
        on_load(path.rpartition(".")[0])
        return modules.load(path)

    factory = StrategyFactory(load=load, restore=restore_process)
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


class StrategyCode:
    """A factory, and what identifies the code of the types that it knows."""

    def __init__(self, settings: Settings) -> None:
        """Know the types that ``build_factory`` gives.

        Raises:
            ConfigurationError: a folder of ``PANDA_STRATEGIES_PATH`` does not exist.
        """
        self._identities = CodeIdentities(UserModules(settings.strategies_path))
        self.factory = build_factory(settings, on_load=self._identities.note)

    def of(self, config: StrategyConfig) -> Mapping[str, str]:
        """Return what identifies the code of a strategy, by ``runner``, processor and validator.

        Raises:
            ValueError: a type is unknown.
        """
        processor, validator = config.strategy_type, config.validator
        module, factory = self._identities.of, self.factory
        return {
            "runner": module("algo_panda"),
            f"processor {processor}": module(factory.processor_module(processor)),
            f"validator {validator}": module(factory.validator_module(validator)),
        }


def init_values(config: StrategyConfig) -> dict[str, Any]:
    """What ``config`` can be made of again; itself, it cannot be sent to another process."""
    values = {one.name: getattr(config, one.name) for one in fields(config) if one.init}
    return {**values, "parameters": dict(config.parameters)}


def _installed(group: str) -> list[tuple[str, str]]:
    """Entry points are ``module:attribute``; dotted paths have a point there."""
    return [(point.name, point.value.replace(":", ".")) for point in entry_points(group=group)]
