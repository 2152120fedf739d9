"""Orders on the wire: written by hand, as signals are, because one may leave on every tick.

The bytes are those of ``RecordCodec``, which the tests hold this to; whatever is unusual goes
there, and so gets its errors.
"""

from typing import Any, Final

from app.domain.trading import Order, Side, new_order
from app.wire.framing import header
from app.wire.parts import (
    UNUSUAL,
    Owners,
    price_from,
    price_part,
    quantity_from,
    quantity_part,
    side_part,
    text_part,
    time_from,
    time_part,
)
from app.wire.records import RecordCodec
from app.wire.values import latest_us
from app.wire.varint import encode_long

_ORDER: Final = Order
_SIDES: Final = {side.name: side for side in Side}
_MOST_PARTITIONS: Final = 1 << 31


class OrderCodec:
    """``Order`` to framed bytes and back.

    Args:
        records: writes and reads what is unusual.
        writer_id: of the newest schema, in whose field order this class writes.
    """

    def __init__(self, records: RecordCodec[Order], *, writer_id: int) -> None:
        self._records = records
        self._header = header(writer_id)
        self._owners = Owners()

    def encode(self, order: Order, /) -> bytes:
        """The bytes of ``order``.

        Raises:
            WireError: it could not be read back; the subclass says why.
        """
        try:
            return self._encode(order)
        except UNUSUAL:
            return self._records.encode(order)

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> Order:
        """The order in ``value``, of a record with this Kafka timestamp (0: unknown).

        Raises:
            WireError: the subclass, and its ``code``, say what is wrong with ``value``.
        """
        fields = self._records.read(value)
        try:
            return _order(fields, latest_us(timestamp_ms))
        except UNUSUAL:
            return self._records.decode(value, timestamp_ms)

    def _encode(self, order: Order) -> bytes:
        (
            name, signal_id, account, broker, strategy_id, strategy_type, token, side, quantity,
            price, reference, time, topic_id, partition, offset,
        ) = order  # fmt: skip
        if not -_MOST_PARTITIONS <= partition < _MOST_PARTITIONS:
            raise ValueError
        return b"".join(
            (
                self._header,
                text_part(name),
                text_part(signal_id),
                self._owners.part(account, broker, strategy_id, strategy_type),
                encode_long(token),
                side_part(side),
                quantity_part(quantity),
                price_part(price),
                price_part(reference),
                time_part(time),
                text_part(topic_id),
                encode_long(partition),
                encode_long(offset),
            )
        )


def _order(fields: dict[str, Any], latest: int) -> Order:
    values: tuple[object, ...] = (
        fields["client_order_id"],
        fields["signal_id"],
        fields["account"],
        fields["broker"],
        fields["strategy_id"],
        fields["strategy_type"],
        fields["instrument_token"],
        _SIDES[fields["side"]],
        quantity_from(fields["quantity"]),
        price_from(fields["signal_price"]),
        price_from(fields["reference_price"]),
        time_from(fields["event_time"], latest),
        fields["tick_topic_id"],
        fields["tick_partition"],
        fields["tick_offset"],
    )
    return new_order(_ORDER, values)
