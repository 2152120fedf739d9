"""Ticks on the wire: the hot path, whole numbers from end to end."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, cast

from algo_panda.domain.market import MarketTick, new_tick
from algo_panda.wire.compatibility import Schema
from algo_panda.wire.edge import compiled, write_record
from algo_panda.wire.errors import UnencodableError, WireError
from algo_panda.wire.framing import header
from algo_panda.wire.reader import RecordReader, bare
from algo_panda.wire.sources import SchemaSource
from algo_panda.wire.tick_batch import TickBatchReader, TickFields
from algo_panda.wire.values import (
    DAY_US,
    EARLIEST_US,
    LATEST_US,
    RAW_LIMIT,
    check_quantity,
    invalid_price,
    invalid_time,
    raw_to_bytes,
)

_from_bytes = int.from_bytes

_WORTH_A_BATCH = 64
"""Fewer are read sooner one by one."""


class TickCodec:
    """``MarketTick`` to framed bytes and back.

    The time it was received is the Kafka record's timestamp and not in the value.
    """

    def __init__(self, *, schema: Schema, writer_id: int, source: SchemaSource) -> None:
        """Make one; see ``RecordReader`` for the arguments."""
        self._header = header(writer_id)
        self._schema = compiled(bare(schema))
        self._batches = TickBatchReader(writer_id)
        self._read = RecordReader(reader_schema=schema, writer_id=writer_id, source=source).read

    def encode(self, tick: MarketTick, /) -> bytes:
        """The bytes of ``tick``.

        Raises:
            WireError: it could not be read back: a price that is not above 0, a time before
                1990, a negative quantity, or a number that no 64 bits hold.
        """
        token, event_time, price, quantity, volume, _ = tick
        _check(event_time, LATEST_US, price, quantity, volume)
        fields: dict[str, Any] = {
            "instrument_token": token,
            "event_time": event_time,
            "last_price": raw_to_bytes(price),
            "last_traded_quantity": quantity,
            "volume_traded": volume,
        }
        buffer = BytesIO()
        buffer.write(self._header)
        try:
            write_record(buffer, self._schema, fields)
        except (OverflowError, TypeError, ValueError) as error:
            raise UnencodableError(f"the tick cannot be written: {error}") from error
        return buffer.getvalue()

    def decode_columns(
        self, values: Sequence[bytes | None], timestamps_ms: Sequence[int], /
    ) -> TickFields | None:
        """The ticks in ``values`` column by column, or None where any wants a closer look.

        Args:
            values: the records' values.
            timestamps_ms: their Kafka timestamps in milliseconds; 0 or less if unknown.

        Returns:
            A column for each field of ``MarketTick``, in its order.
        """
        if not values or None in values:
            return None
        return self._batches.columns(cast("Sequence[bytes]", values), timestamps_ms)

    def decode_many(
        self, values: Sequence[bytes | None], timestamps_ms: Sequence[int], /
    ) -> Sequence[MarketTick | WireError]:
        """The tick in each value, or what is wrong with it.

        Args:
            values: the records' values.
            timestamps_ms: their Kafka timestamps in milliseconds; 0 or less if unknown.

        Raises:
            SchemaError: the registry that would know a schema cannot be asked.
        """
        if len(values) >= _WORTH_A_BATCH and None not in values:
            ticks = self._batches.read(cast("Sequence[bytes]", values), timestamps_ms)
            if ticks is not None:
                return ticks
        return [self._outcome(*record) for record in zip(values, timestamps_ms, strict=True)]

    def _outcome(self, value: bytes | None, timestamp_ms: int) -> MarketTick | WireError:
        try:
            return self.decode(value, timestamp_ms)
        except WireError as error:
            return error

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> MarketTick:
        """The tick in ``value``.

        Args:
            value: the record's value.
            timestamp_ms: its Kafka timestamp in milliseconds; 0 or less if unknown.

        Raises:
            WireError: the subclass, and its ``code``, say what is wrong with ``value``.
            SchemaError: the registry that would know its schema cannot be asked.
        """
        fields = self._read(value)
        event_time = fields["event_time"]
        price = _from_bytes(fields["last_price"], "big", signed=True)
        quantity = fields["last_traded_quantity"]
        volume = fields["volume_traded"]
        received = timestamp_ms * 1000 if timestamp_ms > 0 else 0
        latest = received + DAY_US if received else LATEST_US
        _check(event_time, latest, price, quantity, volume)
        token: int = fields["instrument_token"]
        return new_tick(MarketTick, (token, event_time, price, quantity, volume, received))


def _check(event_time: int, latest: int, price: int, quantity: int, volume: int) -> None:
    if (
        EARLIEST_US <= event_time <= latest
        and 0 < price < RAW_LIMIT
        and quantity >= 0
        and volume >= 0
    ):
        return
    if not 0 < price < RAW_LIMIT:
        raise invalid_price(price)
    check_quantity(quantity)
    check_quantity(volume)
    raise invalid_time(event_time, latest)
