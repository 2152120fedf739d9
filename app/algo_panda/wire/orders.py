"""Orders on the wire: written by hand, because one may leave on every tick."""

from typing import Any, Final

from algo_panda.domain.trading import Order, new_order
from algo_panda.wire.handwritten import HandwrittenCodec
from algo_panda.wire.parts import (
    SIDES,
    decision_from,
    decision_part,
    price_from,
    price_part,
    quantity_from,
    quantity_part,
    side_part,
    text_part,
    time_from,
    time_part,
)
from algo_panda.wire.varint import encode_long

_ORDER: Final = Order
_MOST_PARTITIONS: Final = 1 << 31


class OrderCodec(HandwrittenCodec[Order]):
    """``Order`` to framed bytes and back."""

    def _encode(self, order: Order, /) -> bytes:
        (
            name, signal_id, account, broker, strategy_id, strategy_type, token, side, quantity,
            price, reference, time, topic_id, partition, offset, decision,
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
                decision_part(decision),
            )
        )

    def _made(self, fields: dict[str, Any], latest: int, /) -> Order:
        values: tuple[object, ...] = (
            fields["client_order_id"],
            fields["signal_id"],
            fields["account"],
            fields["broker"],
            fields["strategy_id"],
            fields["strategy_type"],
            fields["instrument_token"],
            SIDES[fields["side"]],
            quantity_from(fields["quantity"]),
            price_from(fields["signal_price"]),
            price_from(fields["reference_price"]),
            time_from(fields["event_time"], latest),
            fields["tick_topic_id"],
            fields["tick_partition"],
            fields["tick_offset"],
            decision_from(fields["decision"], latest),
        )
        return new_order(_ORDER, values)
