"""Avro's variable-length integers, written quickly: zigzag, then seven bits a byte.

https://avro.apache.org/docs/1.11.1/specification/#primitive-types-1. Two bytes are looked up at a
time; the tables hold 16,384 entries each.
"""

_CHUNK_BITS = 14
_CHUNK = 1 << _CHUNK_BITS
_MASK = _CHUNK - 1

_MORE = [bytes((low & 0x7F | 0x80, low >> 7 | 0x80)) for low in range(_CHUNK)]
"""Fourteen bits with more to follow."""

_LAST = [
    bytes((low,)) if low < 0x80 else bytes((low & 0x7F | 0x80, low >> 7)) for low in range(_CHUNK)
]
"""The last fourteen bits, or fewer."""


def encode_long(number: int) -> bytes:
    """``number`` as an Avro long.

    Raises:
        OverflowError: it does not fit 64 bits.
    """
    rest = number << 1 if number >= 0 else ~(number << 1)
    if rest < _CHUNK:
        return _LAST[rest]
    if rest >> 64:
        raise OverflowError(f"{number} does not fit 64 bits")
    parts = [_MORE[rest & _MASK]]
    rest >>= _CHUNK_BITS
    while rest >= _CHUNK:
        parts.append(_MORE[rest & _MASK])
        rest >>= _CHUNK_BITS
    parts.append(_LAST[rest])
    return b"".join(parts)
