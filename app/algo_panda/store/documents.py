"""JSON that reads the same from every database."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NoReturn, TypeGuard


def parse(text: str) -> Any:  # noqa: ANN401 - JSON is of any type
    """The value of a JSON text, in the one form that it has in every database.

    PostgreSQL's ``jsonb`` keeps numbers as decimals: ``1e16`` comes back as the whole number
    10000000000000000, and there is no negative zero. So it is here, whatever the database.

    Raises:
        ValueError: it is not JSON, or holds what not every database can keep.
    """
    try:
        value = json.loads(text, parse_float=_number, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error
    for string in _strings(value):
        if "\0" in string:
            raise ValueError("contains the character U+0000, which PostgreSQL cannot store")
        if any("\ud800" <= character <= "\udfff" for character in string):
            raise ValueError("contains half a surrogate pair, which is not a character")
    return value


def canonical(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` as every database gives them back.

    Raises:
        ValueError: they hold what is not JSON, or what not every database can keep.
    """
    try:
        text = json.dumps(dict(parameters), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot be written as JSON: {error}") from error
    value: dict[str, Any] = parse(text)
    return value


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a parsed value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a parsed value is a JSON array."""
    return isinstance(value, list)


def _number(text: str) -> int | float:
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= 0:
        return int(value)
    return float(value) + 0.0  # -0.0 + 0.0 is 0.0


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"is not JSON: {name} is not a number")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_object(value):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif is_array(value):
        for item in value:
            yield from _strings(item)
