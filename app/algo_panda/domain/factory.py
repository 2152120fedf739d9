"""Makes executors from configuration, by registered type names."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any, Self

from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.executor import StrategyExecutor
from algo_panda.domain.protocols import StrategyProcessor, StrategyValidator

ProcessorFactory = Callable[[StrategyConfig, ExecutionContext], StrategyProcessor]
"""``create_processor(config, context)``: a new processor for one instrument."""

ValidatorFactory = Callable[[StrategyConfig], StrategyValidator]
"""``create_validator(config)``: the validator of one strategy, on all its instruments."""


class StrategyFactory:
    """Holds the known types. An instance, made in one place and handed on; no singleton.

    A database row holds a type's name only: which code a name stands for is said here, by the
    person who runs the program.
    """

    def __init__(self) -> None:
        self._processors: dict[str, str | ProcessorFactory] = {}
        self._validators: dict[str, str | ValidatorFactory] = {}
        self._made: dict[object, tuple[StrategyConfig, StrategyValidator]] = {}
        """By strategy id."""

    def register_processor(self, strategy_type: str, create: str | ProcessorFactory) -> Self:
        """Let ``strategy_type`` be made by ``create``: a callable, or its dotted path."""
        self._processors[strategy_type] = create
        return self

    def register_validator(self, validator_type: str, create: str | ValidatorFactory) -> Self:
        """Let ``validator_type`` be made by ``create``: a callable, or its dotted path."""
        self._validators[validator_type] = create
        return self

    @property
    def strategy_types(self) -> tuple[str, ...]:
        """The known strategy types, sorted."""
        return tuple(sorted(self._processors))

    @property
    def validator_types(self) -> tuple[str, ...]:
        """The known validator types, sorted."""
        return tuple(sorted(self._validators))

    def create_strategy(self, config: StrategyConfig, instrument_token: int) -> StrategyExecutor:
        """Make what ``config`` asks for on one of its instruments.

        Raises:
            ValueError: unknown strategy or validator type (the message lists the known ones), an
                instrument that is not the strategy's, or parameters that it refuses.
        """
        if instrument_token not in config.instruments:
            raise ValueError(f"instrument {instrument_token} is not one of strategy {config.id}")
        create_processor: ProcessorFactory = self._resolve(
            "strategy type", config.strategy_type, self._processors
        )
        context = ExecutionContext(instrument_token=instrument_token, brokers=config.brokers)
        processor = create_processor(config, context)
        return StrategyExecutor(
            processor=processor,
            validator=self._validator(config),
            config=config,
            context=context,
            capabilities=Capabilities.of(processor),
        )

    def _validator(self, config: StrategyConfig) -> StrategyValidator:
        """The validator of a strategy: a pure function, so one does for all its instruments."""
        made_for, validator = self._made.get(config.id, (None, None))
        if made_for is config and validator is not None:
            return validator
        create: ValidatorFactory = self._resolve(
            "validator type", config.validator, self._validators
        )
        validator = create(config)
        problems = validator.validate_configuration(config)
        if problems:
            raise ValueError("; ".join(problems))
        self._made[config.id] = config, validator
        return validator

    @staticmethod
    def _resolve(kind: str, name: str, known: dict[str, Any]) -> Any:  # noqa: ANN401 - one of two callables
        create = known.get(name)
        if create is None:
            raise ValueError(f"unknown {kind} {name!r}; known: {_listed(known)}")
        if isinstance(create, str):
            create = known[name] = _load(create)
        return create


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _load(path: str) -> Any:  # noqa: ANN401 - checked to be callable, which is all there is to check
    module_name, _, attribute = path.rpartition(".")
    try:
        loaded = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # a module may raise anything when it is imported
        renamed = isinstance(error, ImportError) and (error.name or "").split(".")[0] == "app"
        hint = "; the package of algo-panda is now named algo_panda, not app" if renamed else ""
        raise ValueError(
            f"{path} cannot be imported: {type(error).__name__}: {error}{hint}"
        ) from error
    if not callable(loaded):
        raise ValueError(f"{path} is not callable")
    return loaded
