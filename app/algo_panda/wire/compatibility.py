"""Whether what one schema wrote can be read with another: Avro's schema resolution, as rules.

https://avro.apache.org/docs/1.11.1/specification/#schema-resolution, and stricter in two
points: a logical type on one side only, or two that differ, is a problem, because this project
converts logical types by hand; and bytes are not read as a string, because not all bytes are.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = str | list[Any] | dict[str, Any]
"""A parsed ``.avsc`` file, or a part of one."""

_PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
}
_LOSSY: Final = ("string", "bytes")
"""Reader and writer of a promotion that Avro has and we do not: not all bytes are UTF-8."""

_NAMED: Final = frozenset({"record", "enum", "fixed"})
_LOGICAL: Final = ("logicalType", "precision", "scale")


def problems(*, reader: Schema, writer: Schema) -> tuple[str, ...]:
    """Why ``reader`` cannot read all that ``writer`` may write; empty where it can.

    Each problem is a sentence that begins with the path of the field, such as ``price:``.
    """
    return tuple(_Resolution(reader, writer).check(reader, writer, ""))


class _Resolution:
    """One comparison; knows the named types of both sides."""

    def __init__(self, reader: Schema, writer: Schema) -> None:
        self._readers = dict(_named_types(reader))
        self._writers = dict(_named_types(writer))
        self._seen: set[tuple[str, str]] = set()

    def check(self, reader: Schema, writer: Schema, path: str) -> Iterator[str]:
        reader = _resolved(reader, self._readers)
        writer = _resolved(writer, self._writers)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.check(reader, branch, path)
        elif isinstance(reader, list):
            # The first that matches is taken, even where a later one would fit better.
            taken = next((branch for branch in reader if self._matches(branch, writer)), None)
            if taken is None:
                yield f"{path or 'schema'}: none of the reader's types reads {_name(writer)}"
            else:
                yield from self.check(taken, writer, path)
        else:
            yield from self._check_plain(_as_dict(reader), _as_dict(writer), path)

    def _matches(self, reader: Schema, writer: Schema) -> bool:
        """Whether a reader takes this branch of its union for ``writer``, for better or worse."""
        reader = _resolved(reader, self._readers)
        writer = _resolved(writer, self._writers)
        if isinstance(reader, list) or isinstance(writer, list):
            return True
        one, other = _as_dict(reader), _as_dict(writer)
        kind = other["type"]
        if one["type"] != kind:
            return one["type"] in _PROMOTIONS.get(kind, ()) or (one["type"], kind) == _LOSSY
        if kind in _NAMED:
            return _simple(one) == _simple(other)
        inner = {"array": "items", "map": "values"}.get(kind)
        return inner is None or self._matches(one[inner], other[inner])

    def _check_plain(
        self, reader: dict[str, Any], writer: dict[str, Any], path: str
    ) -> Iterator[str]:
        where = path or "schema"
        kind = writer["type"]
        if reader["type"] != kind and reader["type"] not in _PROMOTIONS.get(kind, ()):
            yield f"{where}: {_name(writer)} cannot be read as {_name(reader)}"
            return
        if any(reader.get(key) != writer.get(key) for key in _LOGICAL):
            yield f"{where}: {_logical(writer)} cannot be read as {_logical(reader)}"
        if kind in _NAMED and _simple(reader) != _simple(writer):
            yield f"{where}: {_name(writer)} is not {_name(reader)}"
        elif kind == "record":
            yield from self._check_fields(reader, writer, path)
        elif kind == "enum":
            yield from _check_symbols(reader, writer, where)
        elif kind == "fixed" and reader["size"] != writer["size"]:
            yield f"{where}: its size was {writer['size']} and is {reader['size']}"
        elif kind in {"array", "map"}:
            inner = "items" if kind == "array" else "values"
            yield from self.check(reader[inner], writer[inner], f"{path}[]")

    def _check_fields(
        self, reader: dict[str, Any], writer: dict[str, Any], path: str
    ) -> Iterator[str]:
        pair = (str(reader["name"]), str(writer["name"]))
        if pair in self._seen:
            return
        self._seen.add(pair)
        written = {field["name"]: field["type"] for field in writer["fields"]}
        for field in reader["fields"]:
            name = f"{path}.{field['name']}" if path else str(field["name"])
            if field["name"] in written:
                yield from self.check(field["type"], written[field["name"]], name)
            elif "default" not in field:
                yield f"{name}: was not written, and has no default"


def _check_symbols(reader: dict[str, Any], writer: dict[str, Any], where: str) -> Iterator[str]:
    default = reader.get("default")
    if default is not None and default not in reader["symbols"]:
        yield f"{where}: the default {default} is none of its symbols"
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if unknown and default is None:
        yield f"{where}: no symbol {', '.join(unknown)}, and no default"


def _named_types(schema: Schema) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _named_types(branch)
    elif isinstance(schema, dict):
        if schema["type"] in _NAMED:
            yield _simple(schema), schema
        for inner in (*(f["type"] for f in schema.get("fields", ())), *_inner(schema)):
            yield from _named_types(inner)


def _inner(schema: dict[str, Any]) -> Iterator[Schema]:
    for key in ("items", "values"):
        if key in schema:
            yield schema[key]
    if not isinstance(schema["type"], str):
        yield schema["type"]


def _resolved(schema: Schema, named: Mapping[str, dict[str, Any]]) -> Schema:
    if isinstance(schema, str):
        return named.get(schema.rpartition(".")[2], schema)
    if isinstance(schema, dict) and not isinstance(schema["type"], str):
        inner: Schema = schema["type"]
        return _resolved(inner, named)
    return schema


def _as_dict(schema: Schema) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {"type": schema}


def _simple(schema: dict[str, Any]) -> str:
    return str(schema["name"]).rpartition(".")[2]


def _name(schema: Schema) -> str:
    plain = _as_dict(schema)
    return f"{plain['type']} {plain['name']}" if "name" in plain else str(plain["type"])


def _logical(schema: dict[str, Any]) -> str:
    given = [str(schema[key]) for key in _LOGICAL if key in schema]
    return f"{schema['type']} ({', '.join(given)})" if given else str(schema["type"])
