"""Avro's variable-length integers, written quickly: zigzag, then seven bits a byte.

https://avro.apache.org/docs/1.11.1/specification/#primitive-types-1. Two bytes are looked up at a
time; the tables hold 16,384 entries each.
"""

from typing import Final

CHUNK_BITS: Final = 14
CHUNK: Final = 16_384
"""Two to the power of that."""
MASK: Final = 16_383

MORE: Final = [bytes((low & 0x7F | 0x80, low >> 7 | 0x80)) for low in range(CHUNK)]
"""Fourteen bits with more to follow."""

LAST: Final = [
    bytes((low,)) if low < 0x80 else bytes((low & 0x7F | 0x80, low >> 7)) for low in range(CHUNK)
]
"""The last fourteen bits, or fewer."""


def encode_long(number: int) -> bytes:
    """``number`` as an Avro long.

    Raises:
        OverflowError: it does not fit 64 bits.
    """
    rest = number << 1 if number >= 0 else ~(number << 1)
    if rest < CHUNK:
        return LAST[rest]
    if not rest >> 2 * CHUNK_BITS:
        return MORE[rest & MASK] + LAST[rest >> CHUNK_BITS]
    if rest >> 64:
        raise OverflowError(f"{number} does not fit 64 bits")
    parts = [MORE[rest & MASK]]
    rest >>= CHUNK_BITS
    while rest >= CHUNK:
        parts.append(MORE[rest & MASK])
        rest >>= CHUNK_BITS
    parts.append(LAST[rest])
    return b"".join(parts)
