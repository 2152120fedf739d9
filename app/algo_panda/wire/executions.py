"""Executions on the wire: written by hand, because two may leave on every tick."""

from typing import Any, Final

from algo_panda.domain.trading import ExecutionReport, OrderStatus, new_report
from algo_panda.wire.framing import HEADER_SIZE, header
from algo_panda.wire.handwritten import HandwrittenCodec
from algo_panda.wire.parts import (
    SIDES,
    amount_from,
    amount_part,
    decision_from,
    decision_part,
    maybe_text_part,
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

_REPORT: Final = ExecutionReport
_HEADER_2: Final = header(1_000_008)
_STATUSES: Final = {status.name: status for status in OrderStatus}
_PLACES: Final = {status: encode_long(at) for at, status in enumerate(OrderStatus)}


class ExecutionCodec(HandwrittenCodec[ExecutionReport]):
    """``ExecutionReport`` to framed bytes and back."""

    def encode_version_2(self, report: ExecutionReport, /) -> bytes:
        """The bytes of ``report`` by version 2 of the schema, which had no decision.

        Fingerprints of replays are made of these, so that a later version changes none of them.

        Raises:
            WireError: it could not be read back; the subclass says why.
        """
        return _HEADER_2 + self.encode(report)[HEADER_SIZE:-1]  # the last byte: no decision

    def _encode(self, report: ExecutionReport, /) -> bytes:
        (
            name, order_id, venue_order_id, signal_id, account, broker, strategy_id, strategy_type,
            token, side, status, quantity, last_quantity, price, filled, fees, reason, time,
            decision,
        ) = report  # fmt: skip
        return b"".join(
            (
                self._header,
                text_part(name),
                text_part(order_id),
                maybe_text_part(venue_order_id),
                text_part(signal_id),
                self._owners.part(account, broker, strategy_id, strategy_type),
                encode_long(token),
                side_part(side),
                _PLACES[status],
                quantity_part(quantity),
                quantity_part(last_quantity),
                b"\0" if price is None else b"\2" + price_part(price),
                quantity_part(filled),
                b"\0" if fees is None else b"\2" + amount_part(fees),
                maybe_text_part(reason),
                time_part(time),
                decision_part(decision),
            )
        )

    def _made(self, fields: dict[str, Any], latest: int, /) -> ExecutionReport:
        price, fees = fields["last_price"], fields["fees"]
        values: tuple[object, ...] = (
            fields["execution_id"],
            fields["client_order_id"],
            fields["venue_order_id"],
            fields["signal_id"],
            fields["account"],
            fields["broker"],
            fields["strategy_id"],
            fields["strategy_type"],
            fields["instrument_token"],
            SIDES[fields["side"]],
            _STATUSES[fields["status"]],
            quantity_from(fields["quantity"]),
            quantity_from(fields["last_quantity"]),
            None if price is None else price_from(price),
            quantity_from(fields["cumulative_quantity"]),
            None if fees is None else amount_from(fees),
            fields["reason"],
            time_from(fields["event_time"], latest),
            decision_from(fields["decision"], latest),
        )
        return new_report(_REPORT, values)
