"""The records of checkpoints: states of the worker programs, to framed Avro and back."""

from io import BytesIO
from typing import Any

from algo_panda.brokers.paper.venue import OpenOrder
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.domain.routes import RouteRecord
from algo_panda.domain.trading import Order
from algo_panda.risk.ledger import LedgerRecord, WorkingOrder
from algo_panda.runner.state import InstrumentRecord, Mark, StrategyRecord
from algo_panda.streaming.instrument_bytes import InstrumentWriter
from algo_panda.wire.catalogue import Catalogue
from algo_panda.wire.codecs import Codec
from algo_panda.wire.edge import compiled, write_record
from algo_panda.wire.framing import header
from algo_panda.wire.reader import RecordReader, bare
from algo_panda.wire.sources import CatalogueSource

RUNNER_CHANGELOG = "runner-state-changelog"
RISK_CHANGELOG = "risk-state-changelog"
ROUTER_CHANGELOG = "router-state-changelog"
PAPER_CHANGELOG = "paper-state-changelog"


class _FieldsCodec:
    """Writes fields with the newest schema of a changelog, reads those of any version.

    Ids come from the schema files always: nobody but this program reads changelogs.
    """

    def __init__(self, catalogue: Catalogue, changelog: str) -> None:
        version = catalogue.newest(changelog)
        self.header = header(version.id)
        self._schema = compiled(bare(version.schema))
        self.read = RecordReader(
            reader_schema=version.schema, writer_id=version.id, source=CatalogueSource(catalogue)
        ).read

    def write(self, fields: dict[str, Any]) -> bytes:
        buffer = BytesIO()
        buffer.write(self.header)
        write_record(buffer, self._schema, fields)
        return buffer.getvalue()


class InstrumentRecordCodec:
    """``InstrumentRecord``, keyed by instrument token."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._codec = _FieldsCodec(catalogue, RUNNER_CHANGELOG)
        self._writer = InstrumentWriter(self._codec.header)

    def key(self, record: InstrumentRecord) -> bytes:
        """The token in ASCII digits."""
        return instrument_key(record.instrument_token)

    def encode(self, record: InstrumentRecord) -> bytes:
        """The record's value."""
        return self._writer.write(record)

    def decode(self, value: bytes) -> InstrumentRecord:
        """The record in ``value``.

        Raises:
            WireError: it is not one.
        """
        fields = self._codec.read(value)
        token, last = fields["instrument_token"], fields["last_tick"]
        return InstrumentRecord(
            instrument_token=token,
            last_offset=fields["last_offset"],
            history=tuple(_tick(token, past) for past in fields["history"]),
            strategies=tuple(_strategy(state) for state in fields["strategies"]),
            last_tick=_tick(token, last[0]) if last else None,
            newest_event_time_us=fields["newest_event_time"],
        )


class RiskStateCodec:
    """Ledgers, keyed by strategy and instrument, and working orders, keyed by their id."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._codec = _FieldsCodec(catalogue, RISK_CHANGELOG)

    def ledger_key(self, record: LedgerRecord) -> bytes:
        """Strategy id and token."""
        return f"ledger|{record.strategy_id}|{record.instrument_token}".encode()

    def order_key(self, client_order_id: str) -> bytes:
        """The order's id."""
        return f"order|{client_order_id}".encode()

    def encode(self, record: LedgerRecord | WorkingOrder) -> bytes:
        """The record's value."""
        is_ledger = isinstance(record, LedgerRecord)
        fields = record._asdict()
        return self._codec.write(
            {"ledger": fields if is_ledger else None, "order": None if is_ledger else fields}
        )

    def decode(self, value: bytes) -> LedgerRecord | WorkingOrder:
        """The record in ``value``.

        Raises:
            WireError: it is neither.
        """
        fields = self._codec.read(value)
        ledger = fields["ledger"]
        return WorkingOrder(**fields["order"]) if ledger is None else LedgerRecord(**ledger)


class RouteRecordCodec:
    """``RouteRecord``, keyed by account, strategy and instrument."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._codec = _FieldsCodec(catalogue, ROUTER_CHANGELOG)

    def key(self, record: RouteRecord) -> bytes:
        """Account, strategy id and token."""
        return _route_key(record).encode()

    def encode(self, record: RouteRecord) -> bytes:
        """The record's value."""
        return self._codec.write(record._asdict())

    def decode(self, value: bytes) -> RouteRecord:
        """The record in ``value``.

        Raises:
            WireError: it is not one.
        """
        return RouteRecord(**self._codec.read(value))


class PaperStateCodec:
    """Open orders, keyed by their id, and routes, keyed by account, strategy and instrument."""

    def __init__(self, catalogue: Catalogue, orders: Codec[Order]) -> None:
        self._codec = _FieldsCodec(catalogue, PAPER_CHANGELOG)
        self._orders = orders

    def key(self, record: OpenOrder | RouteRecord) -> bytes:
        """What kind it is, and which."""
        if isinstance(record, OpenOrder):
            return self.order_key(record.order.client_order_id)
        return f"route|{_route_key(record)}".encode()

    def order_key(self, client_order_id: str) -> bytes:
        """The order's id."""
        return f"order|{client_order_id}".encode()

    def encode(self, record: OpenOrder | RouteRecord) -> bytes:
        """The record's value."""
        if isinstance(record, RouteRecord):
            return self._codec.write({"open": None, "route": record._asdict()})
        fields = {
            "order": self._orders.encode(record.order),
            "filled": record.filled,
            "events": record.events,
            "notional_raw": str(record.notional_raw),
        }
        return self._codec.write({"open": fields, "route": None})

    def decode(self, value: bytes) -> OpenOrder | RouteRecord:
        """The record in ``value``.

        Raises:
            WireError: it is neither.
        """
        fields = self._codec.read(value)
        opened = fields["open"]
        if opened is None:
            return RouteRecord(**fields["route"])
        return OpenOrder(
            order=self._orders.decode(opened["order"]),
            filled=opened["filled"],
            events=opened["events"],
            notional_raw=int(opened["notional_raw"]),
        )


def _route_key(record: RouteRecord) -> str:
    return f"{record.account}|{record.strategy_id}|{record.instrument_token}"


def _tick(token: int, fields: dict[str, Any]) -> MarketTick:
    return MarketTick(
        token,
        fields["event_time"],
        fields["price"],
        fields["last_traded_quantity"],
        fields["volume_traded"],
        fields["received_time"],
    )


def _strategy(fields: dict[str, Any]) -> StrategyRecord:
    fields["marks"] = tuple([Mark(**mark) for mark in fields["marks"]])
    return StrategyRecord(**fields)
