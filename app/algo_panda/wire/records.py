"""Signals, orders and the other dataclasses on the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from io import BytesIO
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from algo_panda.wire.edge import compiled, write_record
from algo_panda.wire.errors import UnencodableError
from algo_panda.wire.framing import header
from algo_panda.wire.reader import RecordReader, bare
from algo_panda.wire.sources import SchemaSource
from algo_panda.wire.values import (
    amount_from_bytes,
    amount_to_bytes,
    check_confidence,
    check_quantity,
    decision_from_wire,
    decision_to_wire,
    latest_us,
    price_from_bytes,
    price_to_bytes,
    symbol_from_wire,
    time_from_micros,
    time_to_micros,
)

T = TypeVar("T")

_LEADS_KEPT: Final = 65_536
"""Encoded leading parts kept: about one for each strategy, instrument and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordType(Generic[T]):
    """Which class a topic's values are, and which of its fields are more than plain values.

    The class has exactly the fields of the schema, by name; their order may differ.
    """

    topic: str
    make: Callable[..., T]
    """The class."""
    prices: tuple[str, ...] = ()
    """``Decimal``, or None where the schema has null."""
    amounts: tuple[str, ...] = ()
    """``Decimal`` of any sign, or None."""
    times: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    confidences: tuple[str, ...] = ()
    tuples: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    """``Decision`` or None."""
    enums: Mapping[str, type[StrEnum]] = field(default_factory=dict[str, type[StrEnum]])
    repeating: int = 0
    """How many of the schema's first fields are mostly as they were the last time."""


class RecordCodec(Generic[T]):
    """Domain objects of one class to framed bytes and back."""

    def __init__(
        self,
        kind: RecordType[T],
        *,
        schema: dict[str, Any],
        writer_id: int,
        source: SchemaSource,
    ) -> None:
        """Make one.

        Args:
            kind: the class and its fields.
            schema: the newest schema, which is written with.
            writer_id: its id.
            source: knows the schemas of other ids.
        """
        fields: list[dict[str, Any]] = schema["fields"]
        names = [str(field["name"]) for field in fields]
        self._kind = kind
        self.read = RecordReader(reader_schema=schema, writer_id=writer_id, source=source).read
        """The fields in a value as they stand on the wire."""
        self._header = header(writer_id)
        lead, self._rest = names[: kind.repeating], names[kind.repeating :]
        self._lead_schema = compiled(bare({**schema, "fields": fields[: kind.repeating]}))
        self._rest_schema = compiled(bare({**schema, "fields": fields[kind.repeating :]}))
        self._lead = lead
        self._lead_values = _getter(lead)
        self._rest_values = _getter(self._rest)
        self._encoded_lead = lru_cache(_LEADS_KEPT)(self._encode_lead)
        self._symbols = {
            name: {member: member.name for member in enum} for name, enum in kind.enums.items()
        }

    def encode(self, record: T, /) -> bytes:
        """The bytes of ``record``.

        Raises:
            WireError: it could not be read back; the subclass says why.
        """
        buffer = BytesIO()
        try:
            fields = dict(zip(self._rest, self._rest_values(record), strict=True))
            self._to_wire(fields)
            buffer.write(self._encoded_lead(*self._lead_values(record)))
            write_record(buffer, self._rest_schema, fields)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise UnencodableError(f"the record cannot be written: {error}") from error
        return buffer.getvalue()

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> T:
        """The object in ``value``.

        Args:
            value: the record's value.
            timestamp_ms: its Kafka timestamp in milliseconds; 0 or less if unknown.

        Raises:
            WireError: the subclass, and its ``code``, say what is wrong with ``value``.
            SchemaError: the registry that would know its schema cannot be asked.
        """
        fields = self.read(value)
        self._from_wire(fields, latest_us(timestamp_ms))
        return self._kind.make(**fields)

    def _encode_lead(self, *values: object) -> bytes:
        buffer = BytesIO()
        buffer.write(self._header)
        write_record(buffer, self._lead_schema, dict(zip(self._lead, values, strict=True)))
        return buffer.getvalue()

    def _to_wire(self, fields: dict[str, Any]) -> None:
        kind = self._kind
        for name in kind.prices:
            if fields[name] is not None:
                fields[name] = price_to_bytes(fields[name])
        for name in kind.amounts:
            if fields[name] is not None:
                fields[name] = amount_to_bytes(fields[name])
        for name in kind.times:
            fields[name] = time_to_micros(fields[name])
        for name, symbols in self._symbols.items():
            fields[name] = symbols[fields[name]]
        for name in kind.decisions:
            fields[name] = decision_to_wire(fields[name])
        _check(kind, fields)

    def _from_wire(self, fields: dict[str, Any], latest: int) -> None:
        kind = self._kind
        for name in kind.prices:
            if fields[name] is not None:
                fields[name] = price_from_bytes(fields[name])
        for name in kind.amounts:
            if fields[name] is not None:
                fields[name] = amount_from_bytes(fields[name])
        for name in kind.times:
            fields[name] = time_from_micros(fields[name], latest)
        for name, enum in kind.enums.items():
            fields[name] = symbol_from_wire(fields[name], enum)
        for name in kind.tuples:
            fields[name] = tuple(fields[name])
        for name in kind.decisions:
            fields[name] = decision_from_wire(fields[name], latest)
        _check(kind, fields)


def _check(kind: RecordType[Any], fields: Mapping[str, Any]) -> None:
    for name in kind.quantities:
        check_quantity(fields[name])
    for name in kind.confidences:
        check_confidence(fields[name])


def _getter(names: list[str]) -> Callable[[object], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        single = attrgetter(names[0])
        return lambda record: (single(record),)
    return attrgetter(*names)
