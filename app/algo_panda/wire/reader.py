"""From framed bytes to the fields of the newest schema, whichever version wrote them."""

from io import BytesIO
from typing import Any, Final

from fastavro.schema import SchemaParseException, UnknownType

from algo_panda.wire.compatibility import Schema, problems
from algo_panda.wire.edge import compiled, read_record
from algo_panda.wire.errors import (
    TooShortError,
    TrailingBytesError,
    UndecodableError,
    UnknownSchemaIdError,
    WrongSchemaError,
)
from algo_panda.wire.framing import HEADER_SIZE, header, schema_id_of
from algo_panda.wire.sources import SchemaSource

_DROPPED: Final = frozenset({"logicalType", "precision", "scale", "doc"})


def bare(schema: Schema) -> Schema:
    """``schema`` without logical types, so that values are read as they stand on the wire.

    A decimal is then bytes, a timestamp whole microseconds: half the time of fastavro's own
    conversion to ``Decimal`` and ``datetime``, and ticks want neither.
    """
    if isinstance(schema, str):
        return schema
    if isinstance(schema, list):
        return [bare(branch) for branch in schema]
    kept = {key: value for key, value in schema.items() if key not in _DROPPED}
    for key in ("type", "items", "values"):
        if key in kept:
            kept[key] = bare(kept[key])
    if "fields" in kept:
        kept["fields"] = [bare(field) for field in kept["fields"]]
    return kept


class RecordReader:
    """Reads the values of one topic."""

    def __init__(self, *, reader_schema: Schema, writer_id: int, source: SchemaSource) -> None:
        """Make one.

        Args:
            reader_schema: the newest schema; its fields are what ``read`` gives.
            writer_id: the id that most values are expected to carry.
            source: knows the schemas of other ids.
        """
        self._reader_schema = reader_schema
        self._newest = compiled(bare(reader_schema))
        self._header = header(writer_id)
        self._source = source
        self._others: dict[int, Schema | WrongSchemaError] = {}

    def read(self, value: bytes | None) -> dict[str, Any]:
        """The fields in ``value``: prices as big-endian bytes, times as microseconds.

        Raises:
            WireError: the subclass says what is wrong with ``value``.
            SchemaError: the registry that would know its schema cannot be asked.
        """
        if value is None:
            raise TooShortError("the record has no value")
        if value.startswith(self._header):
            return _read(value, self._newest, None)
        return _read(value, self._writer(schema_id_of(value)), self._newest)

    def _writer(self, schema_id: int) -> Schema:
        known = self._others.get(schema_id)
        if known is None:
            known = self._others[schema_id] = self._look_up(schema_id)
        if isinstance(known, WrongSchemaError):
            raise WrongSchemaError(str(known))
        return known

    def _look_up(self, schema_id: int) -> Schema | WrongSchemaError:
        schema = self._source.schema(schema_id)
        if schema is None:
            raise UnknownSchemaIdError(f"nobody knows a schema with the id {schema_id}")
        found = problems(reader=self._reader_schema, writer=schema)
        if found:
            return WrongSchemaError(f"the schema with the id {schema_id}: {'; '.join(found)}")
        try:
            return compiled(bare(schema))
        except (SchemaParseException, UnknownType) as error:
            return WrongSchemaError(f"the schema with the id {schema_id}: {error}")


def _read(value: bytes, writer: Schema, reader: Schema | None) -> dict[str, Any]:
    buffer = BytesIO(value)
    buffer.seek(HEADER_SIZE)
    try:
        fields: dict[str, Any] = read_record(buffer, writer, reader)
    except Exception as error:  # what fastavro raises on bad bytes is not of one kind
        raise UndecodableError(f"the bytes are not what their schema says: {error}") from error
    if buffer.tell() != len(value):
        raise TrailingBytesError(f"{len(value) - buffer.tell()} bytes after the record's end")
    return fields
