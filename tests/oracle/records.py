"""Raw records of topics, and what fastavro's plain reader finds in them."""

import json
import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import yaml

SCHEMAS = Path(__file__).parents[2] / "schemas"


class Raw(NamedTuple):
    """A record as a consumer of committed records receives it."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


Topics = Mapping[str, Sequence[Raw]]
"""The records of each topic, by the topic's name without prefix, by partition and offset."""


class Record(NamedTuple):
    """A record with its fields."""

    topic: str
    raw: Raw
    fields: Mapping[str, Any]

    @property
    def where(self) -> str:
        return f"{self.topic}[{self.raw.partition}] offset {self.raw.offset}"


class UnreadableError(Exception):
    """The bytes are no framed Avro of a known schema."""


class Schemas:
    """Every schema that was ever published, by the id in the frame of a value."""

    def __init__(self, folder: Path = SCHEMAS) -> None:
        index = yaml.safe_load((folder / "index.yaml").read_text("utf-8"))
        self._files = {entry["id"]: folder / entry["file"] for entry in index["schemas"]}
        self._parsed: dict[int, Any] = {}

    def read(self, value: bytes | None) -> dict[str, Any]:
        """Return the fields of a framed value.

        Raises:
            UnreadableError: it is none.
        """
        if value is None or len(value) < 5 or value[0] != 0:
            raise UnreadableError("no framed Avro")
        (schema_id,) = struct.unpack(">I", value[1:5])
        if schema_id not in self._files:
            raise UnreadableError(f"no schema has id {schema_id}")
        body = BytesIO(value[5:])
        try:
            fields: Any = fastavro.schemaless_reader(body, self.schema(schema_id), None)
        except Exception as error:  # whatever a reader makes of bytes that are no record
            raise UnreadableError(str(error)) from error
        if body.read(1):
            raise UnreadableError("bytes follow the record")
        return dict(fields)

    def schema(self, schema_id: int) -> Any:
        if schema_id not in self._parsed:
            text = self._files[schema_id].read_text("utf-8")
            self._parsed[schema_id] = fastavro.parse_schema(json.loads(text))
        return self._parsed[schema_id]


def differing(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """Describe the fields of ``found`` that are not as expected; empty if there are none."""
    return ", ".join(
        f"{name} is {found.get(name)!r}, expected {wanted!r}"
        for name, wanted in expected.items()
        if found.get(name) != wanted
    )
