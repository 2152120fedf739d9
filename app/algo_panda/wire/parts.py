"""Pieces of records that are written by hand; whatever is unusual is for ``RecordCodec``."""

from functools import lru_cache
from typing import Any, Final

from algo_panda.domain.decisions import Decision
from algo_panda.domain.trading import Side
from algo_panda.wire.values import EARLIEST_US, RAW_LIMIT, raw_to_bytes
from algo_panda.wire.varint import CHUNK_BITS, LAST, MASK, MORE, encode_long

FAR_US: Final = 1 << 4 * CHUNK_BITS - 1
"""In the year 3111."""

_KEPT: Final = 16_384
_PLACES: Final = 2_039
_prices: Final[list[tuple[int, bytes]]] = [(0, b"")] * _PLACES
"""Prices as they were written, each at the place that it has modulo a prime; the next one there
takes it. Few, so that they stay in the processor's cache."""
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL

SIDES: Final = {side.name: side for side in Side}
"""By the names that they have in schemas."""


class UnusualError(Exception):
    """To be written, read or refused by ``RecordCodec``."""


UNUSUAL: Final = (
    UnusualError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What the functions of this module raise where a value is not as it mostly is."""


def text_part(text: str) -> bytes:
    """A string."""
    data = text.encode()
    return LAST[len(data) << 1] + data


def maybe_text_part(text: str | None) -> bytes:
    """A string or null."""
    if text is None:
        return b"\0"
    data = text.encode()
    return b"\2" + LAST[len(data) << 1] + data


def time_part(time_us: int) -> bytes:
    """A time in microseconds since the epoch."""
    if not EARLIEST_US <= time_us < FAR_US:
        raise UnusualError
    moment = time_us << 1  # zigzag of what is not negative; four chunks hold it
    return (
        MORE[moment & MASK]
        + MORE[moment >> CHUNK_BITS & MASK]
        + MORE[moment >> 2 * CHUNK_BITS & MASK]
        + LAST[moment >> 3 * CHUNK_BITS]
    )


@lru_cache(4)
def decision_part(decision: Decision | None) -> bytes:
    """A decision or null; as a rule that of the record before."""
    if decision is None:
        return b"\0"
    return b"".join(
        (
            b"\2",
            time_part(decision.decided_us),
            maybe_long_part(decision.control_offset),
            maybe_long_part(decision.executions_offset),
            maybe_text_part(decision.limits_version),
        )
    )


def maybe_long_part(number: int | None) -> bytes:
    """A whole number or null."""
    return b"\0" if number is None else b"\2" + encode_long(number)


def quantity_part(quantity: int) -> bytes:
    """A number that is not negative."""
    if quantity < 0:
        raise UnusualError
    return encode_long(quantity)


def side_part(side: Side) -> bytes:
    """The place of ``side`` among its kind."""
    if side is _BUY:
        return b"\0"
    if side is _SELL:
        return b"\2"
    raise UnusualError


def price_part(raw: int) -> bytes:
    """A price, in ``10**-8``."""
    if not 0 < raw < RAW_LIMIT:
        raise UnusualError
    place = raw % _PLACES
    written, part = _prices[place]
    if written != raw:
        digits = raw_to_bytes(raw)
        part = LAST[len(digits) << 1] + digits
        _prices[place] = (raw, part)
    return part


@lru_cache(_KEPT)
def amount_part(raw: int) -> bytes:
    """An amount of money of any sign, in ``10**-8``."""
    if not -RAW_LIMIT < raw < RAW_LIMIT:
        raise UnusualError
    digits = raw_to_bytes(raw)
    return encode_long(len(digits)) + digits


class Owners:
    """Account, broker, strategy id and strategy type, which are mostly as they were before."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str, str], bytes] = {}

    def part(self, account: str, broker: str, strategy_id: str, strategy_type: str) -> bytes:
        """These four strings."""
        key = (account, broker, strategy_id, strategy_type)
        part = self._kept.get(key)
        if part is None:
            part = b"".join([text_part(text) for text in key])
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[key] = part
        return part


def price_from(value: bytes) -> int:
    """The price in ``10**-8`` that Avro's decimal stands for."""
    raw = int.from_bytes(value, "big", signed=True)
    if not 0 < raw < RAW_LIMIT:
        raise UnusualError
    return raw


def amount_from(value: bytes) -> int:
    """The amount in ``10**-8`` that Avro's decimal stands for."""
    raw = int.from_bytes(value, "big", signed=True)
    if not -RAW_LIMIT < raw < RAW_LIMIT:
        raise UnusualError
    return raw


def time_from(time_us: int, latest_us: int) -> int:
    """``time_us``, where it is to be believed."""
    if not EARLIEST_US <= time_us <= latest_us:
        raise UnusualError
    return time_us


def quantity_from(quantity: int) -> int:
    """``quantity``, where it is not negative."""
    if quantity < 0:
        raise UnusualError
    return quantity


def decision_from(fields: dict[str, Any] | None, latest_us: int) -> Decision | None:
    """The decision with these fields."""
    if fields is None:
        return None
    return Decision(
        time_from(fields["decided_at"], latest_us),
        fields["control_offset"],
        fields["executions_offset"],
        fields["limits_version"],
    )
