"""Options about strategies that are more than one word, parsed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import BadInputError
from algo_panda.store.documents import is_object, parse


def instruments_of(text: str) -> tuple[int, ...]:
    """Tokens out of ``1001,1002``.

    Raises:
        typer.BadParameter: a part is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not of the form 1001,1002", param_hint="--instruments"
        ) from error


def brokers_of(text: str) -> tuple[str, ...]:
    """Names out of ``paper,zerodha``.

    Raises:
        typer.BadParameter: a name is empty.
    """
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise typer.BadParameter(
            f"{text!r} is not of the form paper,zerodha", param_hint="--brokers"
        )
    return names


def parameters_of(
    file: Path | None, assignments: list[str], *, option: str = "--param"
) -> dict[str, Any]:
    """The parameters in ``file``, then those assigned one by one, which win.

    Raises:
        BadInputError: the file is not readable, or not a JSON object.
        typer.BadParameter: an assignment is not of the form ``key=value``.
    """
    parameters = {} if file is None else _file_parameters(file)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{assignment!r} is not key=value", param_hint=option)
        parameters[name] = value_of(name, text, option)
    return parameters


def value_of(name: str, text: str, option: str) -> Any:  # noqa: ANN401 - JSON is of any type
    """The value in ``text``: JSON, or a word as it stands.

    Raises:
        typer.BadParameter: it begins like JSON and is none.
    """
    try:
        return parse(text)
    except ValueError as error:
        # Paths and words need no quotes; what begins like JSON was meant to be JSON.
        if text[:1] not in {"{", "[", '"'}:
            return text
        raise typer.BadParameter(f"the value of {name} {error}", param_hint=option) from error


def hint_of_choice(configs: Sequence[StrategyConfig]) -> str:
    """What to say behind an error about parameters, where not all strategies may be meant."""
    if len(configs) == 1:
        return ""
    return "; parameters are set in all strategies that are run, --strategy chooses among them"


def _file_parameters(file: Path) -> dict[str, Any]:
    try:
        value = parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{file} is not text in UTF-8: {error}") from error
    except ValueError as error:
        raise BadInputError(f"{file} {error}") from error
    if not is_object(value):
        raise BadInputError(f"{file} is not a JSON object of parameter names and values")
    return value
