"""The two Avro libraries, as typed functions: all that the rest of this package calls of them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

import fastavro
from avro import schema as _reference  # type: ignore[import-untyped]

from algo_panda.wire.compatibility import Schema

_Read = Callable[[BytesIO, Schema, Schema | None], Any]
_Write = Callable[[BytesIO, Schema, Any], None]
_Compile = Callable[[Schema], Schema]
_Parse = Callable[[str], object]

read_record = cast(
    "_Read",
    fastavro.schemaless_reader,  # pyright: ignore[reportUnknownMemberType]
)
"""``(buffer, writer, reader)``: one record at the buffer's position; raises anything."""

write_record = cast(
    "_Write",
    fastavro.schemaless_writer,  # pyright: ignore[reportUnknownMemberType]
)
"""``(buffer, schema, fields)``: put one record at the buffer's position."""

compiled = cast("_Compile", fastavro.parse_schema)
"""``schema`` in the form that the two above read fastest."""

_reference_parse = cast(
    "_Parse",
    _reference.parse,  # pyright: ignore[reportUnknownMemberType]
)


def check_schema(text: str) -> None:
    """Let the reference library parse the schema in ``text``.

    Raises:
        ValueError: it is no Avro schema.
    """
    try:
        _reference_parse(text)
    except _reference.Error as error:
        raise ValueError(str(error)) from error
