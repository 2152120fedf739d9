"""Executions on the wire: written by hand, as signals are, because two may leave on every tick.

The bytes are those of ``RecordCodec``, which the tests hold this to; whatever is unusual goes
there, and so gets its errors.
"""

from typing import Any, Final

from app.domain.trading import ExecutionReport, OrderStatus, Side, new_report
from app.wire.framing import header
from app.wire.parts import (
    UNUSUAL,
    Owners,
    amount_from,
    amount_part,
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
from app.wire.records import RecordCodec
from app.wire.values import latest_us
from app.wire.varint import encode_long

_REPORT: Final = ExecutionReport
_SIDES: Final = {side.name: side for side in Side}
_STATUSES: Final = {status.name: status for status in OrderStatus}
_PLACES: Final = {status: encode_long(at) for at, status in enumerate(OrderStatus)}


class ExecutionCodec:
    """``ExecutionReport`` to framed bytes and back.

    Args:
        records: writes and reads what is unusual.
        writer_id: of the newest schema, in whose field order this class writes.
    """

    def __init__(self, records: RecordCodec[ExecutionReport], *, writer_id: int) -> None:
        self._records = records
        self._header = header(writer_id)
        self._owners = Owners()

    def encode(self, report: ExecutionReport, /) -> bytes:
        """The bytes of ``report``.

        Raises:
            WireError: it could not be read back; the subclass says why.
        """
        try:
            return self._encode(report)
        except UNUSUAL:
            return self._records.encode(report)

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> ExecutionReport:
        """The report in ``value``, of a record with this Kafka timestamp (0: unknown).

        Raises:
            WireError: the subclass, and its ``code``, say what is wrong with ``value``.
        """
        fields = self._records.read(value)
        try:
            return _report(fields, latest_us(timestamp_ms))
        except UNUSUAL:
            return self._records.decode(value, timestamp_ms)

    def _encode(self, report: ExecutionReport) -> bytes:
        (
            name, order_id, venue_order_id, signal_id, account, broker, strategy_id, strategy_type,
            token, side, status, quantity, last_quantity, price, filled, fees, reason, time,
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
            )
        )


def _report(fields: dict[str, Any], latest: int) -> ExecutionReport:
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
        _SIDES[fields["side"]],
        _STATUSES[fields["status"]],
        quantity_from(fields["quantity"]),
        quantity_from(fields["last_quantity"]),
        None if price is None else price_from(price),
        quantity_from(fields["cumulative_quantity"]),
        None if fees is None else amount_from(fees),
        fields["reason"],
        time_from(fields["event_time"], latest),
    )
    return new_report(_REPORT, values)
