"""Confluent's framing of a value: a zero byte, the schema's id as four bytes, then Avro.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/
"""

from struct import Struct
from typing import Final

from algo_panda.wire.errors import TooShortError, WrongMagicByteError

MAGIC_BYTE: Final = 0
HEADER_SIZE: Final = 5

_HEADER = Struct(">bI")


def header(schema_id: int) -> bytes:
    """The five bytes that go before a value written with ``schema_id``."""
    return _HEADER.pack(MAGIC_BYTE, schema_id)


def schema_id_of(value: bytes) -> int:
    """The id of the schema that ``value`` was written with.

    Raises:
        TooShortError: ``value`` is shorter than its header.
        WrongMagicByteError: it does not begin with a zero byte.
    """
    if len(value) < HEADER_SIZE:
        raise TooShortError(f"the value has {len(value)} bytes, its header alone takes five")
    magic, schema_id = _HEADER.unpack_from(value)
    if magic != MAGIC_BYTE:
        raise WrongMagicByteError(f"the value begins with byte {value[0]:#04x}, not 0x00")
    return int(schema_id)
