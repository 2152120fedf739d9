"""An instrument's state on the wire: written by hand, because a checkpoint has thousands of them.

The bytes are those of fastavro and ``schemas/instrument_state.v2.avsc``, which the tests hold this
to; reading is fastavro's.
"""

from typing import Final

from algo_panda.domain.market import MarketTick
from algo_panda.runner.state import InstrumentRecord, StrategyRecord
from algo_panda.wire.varint import CHUNK, LAST, encode_long

_NONE: Final = b"\0"
_ONE: Final = b"\2"
"""The second branch of a union with null; and an array's count of 1."""

_NOTHING_UNUSUAL: Final = b"\0\0\0"
"""No failures, no reason of a quarantine, no bars."""

_NEITHER: Final = b"\0\0"
"""No marks, and not cold."""


class InstrumentWriter:
    """Writes records; what repeats is kept."""

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._leads: dict[str, tuple[int, str, bytes]] = {}

    def write(self, record: InstrumentRecord) -> bytes:
        """The framed bytes of ``record``.

        Raises:
            OverflowError: a number that no 64 bits hold.
        """
        token, last_offset, history, strategies, last_tick, newest = record
        parts = [self._header, encode_long(token), encode_long(last_offset)]
        if history:
            parts.append(encode_long(len(history)))
            for tick in history:
                _add_tick(parts, tick)
        parts.append(_NONE)
        if strategies:
            parts.append(encode_long(len(strategies)))
            for state in strategies:
                self._add_strategy(parts, state)
        parts.append(_NONE)
        if last_tick is not None:
            parts.append(_ONE)
            _add_tick(parts, last_tick)
        parts.append(_NONE)
        parts.append(encode_long(newest))
        return b"".join(parts)

    def _add_strategy(self, parts: list[bytes], state: StrategyRecord) -> None:
        # fmt: off
        (
            strategy_id, version, digest, ticks_seen, failures, reason, bars, processor, marks,
            cold_since,
        ) = state
        # fmt: on
        parts.append(self._lead(strategy_id, version, digest))
        parts.append(encode_long(ticks_seen))
        if not failures and reason is None and bars is None:
            parts.append(_NOTHING_UNUSUAL)
        else:
            parts.append(encode_long(failures))
            _add_optional(parts, None if reason is None else reason.encode())
            _add_optional(parts, bars)
        _add_optional(parts, processor)
        if not marks and cold_since is None:
            parts.append(_NEITHER)
            return
        if marks:
            parts.append(encode_long(len(marks)))
            for mark in marks:
                parts.append(encode_long(mark.offset))
                _add_optional(parts, mark.bars)
        parts.append(_NONE)
        parts.append(_NONE if cold_since is None else _ONE + encode_long(cold_since))

    def _lead(self, strategy_id: str, version: int, digest: str) -> bytes:
        """The fields that all records of a strategy have in common."""
        known = self._leads.get(strategy_id)
        if known is not None and known[0] == version and known[1] == digest:
            return known[2]
        lead = _text(strategy_id) + encode_long(version) + _text(digest)
        self._leads[strategy_id] = (version, digest, lead)
        return lead


def _add_tick(parts: list[bytes], tick: MarketTick) -> None:
    _, event_time, price, quantity, volume, received = tick
    parts.append(encode_long(event_time))
    parts.append(encode_long(price))
    parts.append(encode_long(quantity))
    parts.append(encode_long(volume))
    parts.append(encode_long(received))


def _add_optional(parts: list[bytes], value: bytes | None) -> None:
    if value is None:
        parts.append(_NONE)
        return
    length = len(value) << 1
    parts.append(_ONE)
    parts.append(LAST[length] if length < CHUNK else encode_long(len(value)))
    parts.append(value)


def _text(value: str) -> bytes:
    data = value.encode()
    return encode_long(len(data)) + data
