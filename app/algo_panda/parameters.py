"""Parameters out of strategy rows, parsed at the edge; what is wrong is said in one line each."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails


class Parameters(BaseModel):
    """Base of parameter models: frozen, and a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


P = TypeVar("P", bound=Parameters)


class ParameterError(ValueError):
    """Parameters that cannot be used; the message is one line that names each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        """What is wrong, a sentence each."""


def parse_parameters(model: type[P], given: Mapping[str, Any], *, prefix: str = "") -> P:
    """Read ``given`` as a ``model``.

    Args:
        model: the parameters there are.
        given: the values as they stand in the strategy's row.
        prefix: put before each name in messages, to say where it stands.

    Raises:
        ParameterError: a parameter is unknown, or has a value of the wrong form.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = tuple(_sentence(details, model, prefix) for details in found)
        raise ParameterError(problems) from error


def _sentence(details: ErrorDetails, model: type[Parameters], prefix: str) -> str:
    message = details["msg"].removeprefix("Value error, ")
    if not details["loc"]:
        return message
    name = f"{prefix}{details['loc'][0]}"
    if details["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields)) or "none"
        return f"unknown parameter {name!r}; known: {known}"
    return f"parameter {name} is {details['input']!r}: {message[0].lower()}{message[1:]}"
