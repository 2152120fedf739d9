"""Signals on the wire: written by hand, because one may leave on every tick.

The bytes are those of ``RecordCodec``, which the tests hold this to; whatever is unusual goes
there, and so gets its errors. What repeats is kept: of a strategy at a partition the fields on both
sides of the instrument, of each type of signal the latest kind, the prices.
"""

import struct
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.wire.edge import compiled, write_record
from algo_panda.wire.framing import header
from algo_panda.wire.parts import FAR_US, UNUSUAL, UnusualError, price_part
from algo_panda.wire.reader import bare
from algo_panda.wire.records import RecordCodec
from algo_panda.wire.values import EARLIEST_US
from algo_panda.wire.varint import CHUNK_BITS, LAST, MASK, MORE, encode_long

LEAD_FIELDS: Final = 8
"""Of the schema, in its order: what one strategy's signals of one instrument have in common."""

_TOKEN: Final = TradingSignal._fields.index("instrument_token")
"""Among these; what is before and behind it, all instruments of a strategy have in common."""

_KEPT = 16_384
_double = struct.Struct("<d").pack


class SignalCodec:
    """``TradingSignal`` to framed bytes and back."""

    def __init__(
        self, records: RecordCodec[TradingSignal], *, schema: Mapping[str, Any], writer_id: int
    ) -> None:
        """Make one.

        Args:
            records: reads, and writes what is unusual.
            schema: the newest schema, in whose field order this class writes.
            writer_id: its id.
        """
        self._records = records
        self.decode = records.decode
        self._header = header(writer_id)
        self._before_token = _Part(schema, 0, _TOKEN)
        self._behind_token = _Part(schema, _TOKEN + 1, LEAD_FIELDS)
        self._symbols = {member: encode_long(at) for at, member in enumerate(SignalType)}
        self._around_token = lru_cache(_KEPT)(self._encode_around_token)
        self._latest: dict[str, _Around] = {}
        """By strategy: most signals are of the same objects as the one before."""
        self._latest_kinds = {kind: self._encode_kind(kind, 1.0, 1) for kind in SignalType}
        """By type: a strategy that says the same again mostly does so for the same quantity."""

    def encode(self, signal: TradingSignal, /) -> bytes:
        """The bytes of ``signal``.

        Raises:
            WireError: it could not be read back; the subclass says why.
        """
        try:
            return self._encode(signal)
        except UNUSUAL:
            return self._records.encode(signal)

    def _encode(self, signal: TradingSignal) -> bytes:
        # fmt: off
        (
            strategy_id, strategy_type, version, digest, token, brokers, topic_id, partition,
            offset, signal_id, kind, confidence, quantity, price, said, time, tick_price,
        ) = signal
        # fmt: on
        if not EARLIEST_US <= time < FAR_US:
            raise UnusualError
        if type(confidence) is not float or type(quantity) is not int:
            raise UnusualError  # 1, 1.0 and True are equal, and not one record
        if not confidence:
            raise UnusualError  # nor are 0.0 and -0.0
        latest = self._latest.get(strategy_id)
        if (
            latest is not None
            and latest.model_digest is digest
            and latest.brokers is brokers
            and latest.topic_id is topic_id
            and latest.strategy_type is strategy_type
            and latest.version == version
            and latest.partition == partition
        ):
            before, behind = latest.before, latest.behind
        else:
            before, behind = self._around_token(signal[:_TOKEN], signal[_TOKEN + 1 : LEAD_FIELDS])
            if len(self._latest) >= _KEPT:
                self._latest.clear()
            self._latest[strategy_id] = _Around(
                strategy_type, version, digest, brokers, topic_id, partition, before, behind
            )
        like = self._latest_kinds[kind]
        if like.confidence != confidence or like.quantity != quantity:
            like = self._latest_kinds[kind] = self._encode_kind(kind, confidence, quantity)
        identity = signal_id.encode()
        text = b"" if said is None else said.encode()
        at_price = price_part(price)
        moment = time << 1  # zigzag of what is not negative; four chunks hold it
        return b"".join(
            (
                before,
                encode_long(token),
                behind,
                encode_long(offset),
                LAST[len(identity) << 1],
                identity,
                like.data,
                at_price,
                b"\0" if said is None else b"\2" + LAST[len(text) << 1],
                text,
                MORE[moment & MASK],
                MORE[moment >> CHUNK_BITS & MASK],
                MORE[moment >> 2 * CHUNK_BITS & MASK],
                LAST[moment >> 3 * CHUNK_BITS],
                at_price if tick_price == price else price_part(tick_price),
            )
        )

    def _encode_around_token(
        self, before: tuple[object, ...], behind: tuple[object, ...]
    ) -> tuple[bytes, bytes]:
        return self._header + self._before_token.encode(before), self._behind_token.encode(behind)

    def _encode_kind(self, kind: SignalType, confidence: float, quantity: int) -> "_Kind":
        if not 0 <= confidence <= 1 or quantity < 0:
            raise UnusualError
        data = self._symbols[kind] + _double(confidence) + encode_long(quantity)
        return _Kind(confidence, quantity, data)


class _Around:
    """What is before and behind the token in signals with these fields."""

    def __init__(
        self,
        strategy_type: str,
        version: int,
        model_digest: str | None,
        brokers: tuple[str, ...],
        topic_id: str,
        partition: int,
        before: bytes,
        behind: bytes,
    ) -> None:
        self.strategy_type = strategy_type
        self.version = version
        self.model_digest = model_digest
        self.brokers = brokers
        self.topic_id = topic_id
        self.partition = partition
        self.before = before
        self.behind = behind


class _Kind:
    """What says so much of a kind of signal."""

    def __init__(self, confidence: float, quantity: int, data: bytes) -> None:
        self.confidence = confidence
        self.quantity = quantity
        self.data = data


class _Part:
    """Some fields of the schema that follow each other."""

    def __init__(self, schema: Mapping[str, Any], start: int, stop: int) -> None:
        self._names = TradingSignal._fields[start:stop]
        self._schema = compiled(bare({**schema, "fields": schema["fields"][start:stop]}))

    def encode(self, values: tuple[object, ...]) -> bytes:
        buffer = BytesIO()
        write_record(buffer, self._schema, dict(zip(self._names, values, strict=True)))
        return buffer.getvalue()
