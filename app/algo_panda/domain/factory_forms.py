"""The signatures that factories of processors and validators may have.

Which one a factory has is decided once, from its signature, when its type is first resolved.
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from enum import Enum
from inspect import Parameter
from typing import Any

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.containment import is_interrupt

PROCESSOR_FORMS = "create_processor(parameters) or create_processor(config, context)"
VALIDATOR_FORMS = "create_validator(parameters) or create_validator(config: StrategyConfig)"

_CONTEXT_NAMES = frozenset({"context", "ctx", "execution_context"})
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class FactoryForm(Enum):
    """The arguments that a factory takes."""

    PARAMETERS = "parameters"
    """The row's parameters, as a plain dictionary."""
    CONFIG = "config"
    CONFIG_AND_CONTEXT = "config, context"


def processor_form(create: Callable[..., Any], name: str) -> FactoryForm:
    """Return the form of a processor factory.

    Args:
        create: the factory.
        name: what messages call it.

    Raises:
        ValueError: it can be called in neither form.
    """
    arguments = _Arguments(create, name, PROCESSOR_FORMS)
    arguments.refuse_contradictions()
    if arguments.takes(2) and (not arguments.takes(1) or arguments.wants_context):
        return FactoryForm.CONFIG_AND_CONTEXT
    return arguments.form_of_one()


def validator_form(create: Callable[..., Any], name: str) -> FactoryForm:
    """Return the form of a validator factory; arguments and errors as ``processor_form``."""
    return _Arguments(create, name, VALIDATOR_FORMS).form_of_one()


class _Arguments:
    """The positional arguments that a factory accepts."""

    def __init__(self, create: Callable[..., Any], name: str, forms: str) -> None:
        try:
            self._signature = _signature(create)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} has no signature that can be read: wrap it in a function, {forms}"
            ) from error
        self._problem = f"{name}{self._signature} is not a known form of factory; write {forms}"
        self._positional: Sequence[Parameter] = [
            one for one in self._signature.parameters.values() if one.kind in _POSITIONAL
        ]

    def takes(self, count: int) -> bool:
        """Return whether it can be called with so many positional arguments and no others."""
        try:
            self._signature.bind(*(None,) * count)
        except TypeError:
            return False
        return True

    @property
    def wants_context(self) -> bool:
        """Whether a second argument that it can do without is the context."""
        if len(self._positional) > 1:
            first, second = self._positional[:2]
            return (
                second.name.lstrip("_") in _CONTEXT_NAMES
                or first.name.lstrip("_") == "config"
                or _names(second, ExecutionContext)
                or _names(first, StrategyConfig)
            )
        return not self._positional  # (*args) takes all there is

    def refuse_contradictions(self) -> None:
        """Refuse annotations that neither form fits.

        Raises:
            ValueError: the first argument is annotated as the context, or a second argument that
                must be given is annotated as something else.
        """
        if self._positional and _names(self._positional[0], ExecutionContext):
            raise ValueError(self._problem)
        if len(self._positional) > 1 and not self.takes(1):
            annotation = self._positional[1].annotation
            is_open = annotation in (Parameter.empty, Any, object)
            if not (is_open or _names(self._positional[1], ExecutionContext)):
                raise ValueError(self._problem)

    def form_of_one(self) -> FactoryForm:
        """Return the form of a factory that is called with one argument.

        Raises:
            ValueError: it cannot be.
        """
        if not self.takes(1):
            raise ValueError(self._problem)
        if self._positional and _names(self._positional[0], StrategyConfig):
            return FactoryForm.CONFIG
        return FactoryForm.PARAMETERS


def _signature(create: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(create, eval_str=True)
    except BaseException as error:  # a postponed annotation may name what is not there
        if is_interrupt(error):
            raise
        return inspect.signature(create)


def _names(parameter: Parameter, wanted: type) -> bool:
    """Return whether ``parameter`` is annotated with ``wanted``, a union with it, or its name."""
    return _is_or_holds(parameter.annotation, wanted)


def _is_or_holds(annotation: object, wanted: type) -> bool:
    if isinstance(annotation, str):
        return re.search(rf"\b{wanted.__name__}\b", annotation) is not None
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return any(_is_or_holds(part, wanted) for part in typing.get_args(annotation))
    return annotation is wanted
