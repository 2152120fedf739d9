"""Makes executors from configuration, by registered type names."""

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from decimal import Context
from difflib import get_close_matches
from typing import Any, Generic, NamedTuple, Self, TypeVar, cast
from uuid import UUID, uuid5

from algo_panda.domain.arithmetic import computing_in, left_current, new_context
from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import COMMON_PARAMETERS, ExecutionContext, StrategyConfig
from algo_panda.domain.containment import described_whole, is_interrupt
from algo_panda.domain.executor import MultiInstrumentExecutor, StrategyExecutor
from algo_panda.domain.factory_forms import FactoryForm, processor_form, validator_form
from algo_panda.domain.outcome import as_bool
from algo_panda.domain.protocols import StrategyProcessor, StrategyValidator

ProcessorFactory = (
    Callable[[dict[str, Any]], StrategyProcessor]
    | Callable[[StrategyConfig, ExecutionContext], StrategyProcessor]
)
"""``create_processor(parameters)`` or ``create_processor(config, context)``: a new processor for
one instrument. One argument annotated ``StrategyConfig`` is the configuration."""

ValidatorFactory = (
    Callable[[dict[str, Any]], StrategyValidator] | Callable[[StrategyConfig], StrategyValidator]
)
"""``create_validator(parameters)``, or ``(config)`` if that is annotated ``StrategyConfig``: the
validator of one strategy, on all its instruments."""

_NAMESPACE = UUID("c7c5b1f4-62a1-5f0e-8a52-0d4f3f9b7e61")
"""A random uuid: the same ``strategy_id`` that is not a uuid always gives the same ``id``."""

Load = Callable[[str], Callable[..., Any]]
"""Imports what a dotted path names; ``ValueError`` if it cannot."""

_NEARLY = 0.9
"""``max_position`` is another parameter than ``max_position_size``; ``max_postion_size`` is not."""

T = TypeVar("T")


class _Factory(NamedTuple, Generic[T]):
    """A registered factory whose form is known."""

    create: Callable[..., T]
    form: FactoryForm

    def __call__(self, config: StrategyConfig, context: ExecutionContext | None = None) -> T:
        match self.form:
            case FactoryForm.PARAMETERS:
                return self.create(_parameters(config))
            case FactoryForm.CONFIG:
                return self.create(config)
            case FactoryForm.CONFIG_AND_CONTEXT:
                return self.create(config, context)


class _Types(Generic[T]):
    """Factories by type name; dotted paths are imported when their type is first used."""

    def __init__(
        self,
        kind: str,
        form: Callable[[Callable[..., Any], str], FactoryForm],
        load: Load,
    ) -> None:
        self._kind = kind
        self._form = form
        self._load = load
        self._registered: dict[str, str | Callable[..., T]] = {}
        self._resolved: dict[str, _Factory[T]] = {}

    def register(self, name: str, create: str | Callable[..., T]) -> None:
        self._registered[name] = create
        self._resolved.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._registered))

    def resolve(self, name: str) -> _Factory[T]:
        """Return the factory of a type.

        Raises:
            ValueError: the type is unknown, or its factory cannot be imported or called.
        """
        found = self._resolved.get(name)
        if found is None:
            create = self._find(name)
            if isinstance(create, str):
                path, create = create, self._load(create)
            else:
                path = getattr(create, "__qualname__", type(create).__name__)
            found = self._resolved[name] = _Factory(create, self._form(create, path))
        return found

    def module(self, name: str) -> str:
        """Return the name of the module that has the factory of a type.

        Raises:
            ValueError: the type is unknown.
        """
        create = self._find(name)
        if isinstance(create, str):
            return create.rpartition(".")[0]
        return str(getattr(create, "__module__", ""))

    def _find(self, name: str) -> str | Callable[..., T]:
        create = self._registered.get(name)
        if create is None:
            raise ValueError(f"unknown {self._kind} {name!r}; known: {_listed(self.names)}")
        return create


class StrategyFactory:
    """The known strategy and validator types.

    An instance, made in one place and handed on; no singleton: ``register_processor`` and
    ``register_validator`` are methods of an instance and change this instance only. A database row
    holds a type's name only: which code the name means is decided here, by the person who runs
    the program.
    """

    def __init__(
        self, load: Load | None = None, restore: Callable[[], None] = lambda: None
    ) -> None:
        """Know no type yet.

        Args:
            load: imports what a dotted path names; by default ``load_callable``.
            restore: called before and after users' code makes a strategy, to set again what such
                code may have changed for the whole process.
        """
        self._restore = restore
        load = load or load_callable
        self._processors = _Types[StrategyProcessor]("strategy type", processor_form, load)
        self._validators = _Types[StrategyValidator]("validator type", validator_form, load)
        self._made: dict[object, tuple[StrategyConfig, StrategyValidator, Context]] = {}
        """By strategy id."""

    def register_processor(self, strategy_type: str, create: str | ProcessorFactory) -> Self:
        """Let ``strategy_type`` be made by ``create``: a callable, or its dotted path."""
        self._processors.register(strategy_type, create)
        return self

    def register_validator(self, validator_type: str, create: str | ValidatorFactory) -> Self:
        """Let ``validator_type`` be made by ``create``: a callable, or its dotted path."""
        self._validators.register(validator_type, create)
        return self

    @property
    def strategy_types(self) -> tuple[str, ...]:
        """The known strategy types, sorted."""
        return self._processors.names

    @property
    def validator_types(self) -> tuple[str, ...]:
        """The known validator types, sorted."""
        return self._validators.names

    def processor_module(self, strategy_type: str) -> str:
        """Return the module of a strategy type. A type that is unknown is a ``ValueError``."""
        return self._processors.module(strategy_type)

    def validator_module(self, validator_type: str) -> str:
        """Return the module of a validator type. A type that is unknown is a ``ValueError``."""
        return self._validators.module(validator_type)

    def create_strategy(
        self,
        strategy_id: UUID | str,
        strategy_type: str,
        parameters: Mapping[str, Any],
        brokers: Sequence[str],
        instrument_tokens: Sequence[int],
        validator_type: str | None = None,
    ) -> StrategyExecutor:
        """Make a strategy on all its instruments, with a processor for each.

        Args:
            strategy_id: names the strategy; a uuid, as rows have it, or any other text.
            strategy_type: a registered type.
            parameters: of the strategy, of its validator and of the runner.
            brokers: where orders of it go; empty: it only emits signals.
            instrument_tokens: its instruments; ``processor`` is the one of the first.
            validator_type: a registered type; None: ``standard``.

        Raises:
            ValueError: an unknown strategy or validator type (the message lists the known ones), no
                instruments, or invalid parameters.
        """
        _check_arguments(strategy_id, parameters, brokers, instrument_tokens)
        given_id = _uuid(strategy_id)
        config = StrategyConfig(
            id=given_id or uuid5(_NAMESPACE, str(strategy_id)),
            strategy_type=strategy_type,
            parameters=parameters,
            instruments=tuple(instrument_tokens),
            active_brokers=tuple(brokers),
            validator_type=validator_type,
        )
        if given_id is None:  # named as the caller names it, while rows are named by their uuid
            object.__setattr__(config, "strategy_id", str(strategy_id))
        first, *_ = config.instruments
        made = self.create_executor(config, first)
        return MultiInstrumentExecutor(
            first=made, create=lambda token: self.create_executor(config, token)
        )

    def create_executor(self, config: StrategyConfig, instrument_token: int) -> StrategyExecutor:
        """Make a strategy on one of its instruments.

        Raises:
            ValueError: an unknown strategy or validator type (the message lists the known ones), an
                instrument that is not the strategy's, or invalid parameters.
        """
        self._restore()
        try:
            return self._create(config, instrument_token)
        finally:
            self._restore()

    def _create(self, config: StrategyConfig, instrument_token: int) -> StrategyExecutor:
        if instrument_token not in config.instruments:
            raise ValueError(f"instrument {instrument_token} is not one of strategy {config.id}")
        _ = config.risk_multiplier  # raise now if it is invalid
        _refuse_misspelled(config.parameters)
        with computing_in(new_context()):  # to import a module runs its code
            create = self._processors.resolve(config.strategy_type)
        context = ExecutionContext.of(config, instrument_token)
        arithmetic = new_context()
        with computing_in(arithmetic):
            processor = create(config, context)
            arithmetic = left_current(arithmetic)
        with computing_in(arithmetic):
            capabilities = Capabilities.of(processor)
        validator, validator_arithmetic = self._validator(config)
        return StrategyExecutor(
            processor=processor,
            validator=validator,
            config=config,
            context=context,
            capabilities=capabilities,
            arithmetic=arithmetic,
            validator_arithmetic=validator_arithmetic.copy(),
        )

    def _validator(self, config: StrategyConfig) -> tuple[StrategyValidator, Context]:
        """Return the validator of a strategy, and its decimal context as its factory left it.

        It is one for all instruments, as it keeps no state.
        """
        made = self._made.get(config.id)
        if made is not None and made[0] is config:
            return made[1:]
        with computing_in(new_context()):
            create = self._validators.resolve(config.validator)
        arithmetic = new_context()
        with computing_in(arithmetic):
            validator = create(config)
            arithmetic = left_current(arithmetic)
        with computing_in(arithmetic.copy()):
            self._check(validator, config, create.form)
        self._made[config.id] = config, validator, arithmetic
        return validator, arithmetic

    @staticmethod
    def _check(validator: StrategyValidator, config: StrategyConfig, form: FactoryForm) -> None:
        """Check a new validator, and ask it about the parameters.

        Raises:
            ValueError: it has not the methods of one, or refuses the parameters.
        """
        for method in ("validate_signal", "validate_configuration"):
            if not callable(getattr(validator, method, None)):
                raise ValueError(f"{type(validator).__name__} has no method {method}")
        is_of_parameters = form is FactoryForm.PARAMETERS
        given = _parameters(config) if is_of_parameters else config
        problems = _problems(validator, validator.validate_configuration(given))
        if problems:
            raise ValueError("; ".join(problems))


def _refuse_misspelled(parameters: Iterable[str]) -> None:
    """Refuse a parameter that is nearly one of those that every strategy type has.

    A strategy of the user's own may have any parameter, so a misspelled position limit would
    otherwise be no limit.
    """
    for name in set(parameters) - COMMON_PARAMETERS:
        near = get_close_matches(name, COMMON_PARAMETERS, n=1, cutoff=_NEARLY)
        if near:
            raise ValueError(f'unknown parameter "{name}" (did you mean "{near[0]}"?)')


def _parameters(config: StrategyConfig) -> dict[str, Any]:
    """Return the whole parameters of a row, for code that may change them."""
    return deepcopy(dict(config.parameters))


def _check_arguments(
    strategy_id: object, parameters: object, brokers: object, instrument_tokens: object
) -> None:
    """Check what a caller without type checks may get wrong.

    Raises:
        ValueError: the message names the argument.
    """
    if not isinstance(strategy_id, UUID) and not (isinstance(strategy_id, str) and strategy_id):
        raise ValueError(f"strategy_id is {strategy_id!r}, neither a UUID nor a text")
    if not isinstance(parameters, Mapping) or not all(
        isinstance(name, str) for name in cast("Mapping[object, object]", parameters)
    ):
        raise ValueError("parameters is not a mapping from names to values")
    for argument, given, kind in (
        ("brokers", brokers, str),
        ("instrument_tokens", instrument_tokens, int),
    ):
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise ValueError(f"{argument} is {given!r}, not a list")
        for one in cast("Iterable[object]", given):
            if type(one) is not kind:
                raise ValueError(f"{argument} contains {one!r}, which is not {kind.__name__}")


def _uuid(strategy_id: UUID | str) -> UUID | None:
    try:
        return UUID(str(strategy_id))
    except ValueError:
        return None


def _problems(validator: object, answer: object) -> Sequence[str]:
    """Return what ``validate_configuration`` found wrong.

    Raises:
        ValueError: it returned something else than it may.
    """
    name = type(validator).__name__
    if answer is None:
        return ()
    is_valid = as_bool(answer)
    if is_valid is not None:
        refused = f"validator {name} rejects the parameters: validate_configuration returned False"
        return () if is_valid else (refused,)
    if isinstance(answer, str):
        return (answer,)
    if isinstance(answer, Sequence):
        return [str(problem) for problem in cast("Sequence[object]", answer)]
    raise ValueError(
        f"validate_configuration of {name} returned {type(answer).__name__}, neither bool nor a"
        " sequence of problems"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def load_callable(path: str) -> Callable[..., Any]:
    """Import the callable that a dotted path names.

    Raises:
        ValueError: it cannot be imported, or is not callable.
    """
    module_name, _, attribute = path.rpartition(".")
    if not module_name or ":" in path:
        raise ValueError(f"{path} is not the path of a function: write module.function")
    try:
        loaded = getattr(importlib.import_module(module_name), attribute)
    except BaseException as error:  # a module may raise anything when it is imported
        if is_interrupt(error):
            raise
        renamed = isinstance(error, ImportError) and (error.name or "").split(".")[0] == "app"
        hint = "; the package of algo-panda is now named algo_panda, not app" if renamed else ""
        raise ValueError(f"{path} cannot be imported: {described_whole(error)}{hint}") from error
    if not callable(loaded):
        raise ValueError(f"{path} is not callable")
    found: Callable[..., Any] = loaded
    return found
