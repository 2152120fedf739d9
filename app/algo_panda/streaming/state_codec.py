"""Codecs of checkpoint records: states of the worker programs, as framed Avro."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

from algo_panda.brokers.paper.venue import OpenOrder
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.domain.recent_ids import IdSegment, SegmentChanges
from algo_panda.domain.routes import RouteRecord
from algo_panda.domain.trading import Order
from algo_panda.risk.ledger import LedgerRecord, WorkingOrder
from algo_panda.runner.state import InstrumentRecord, Mark, StrategyRecord
from algo_panda.streaming.instrument_bytes import InstrumentWriter
from algo_panda.streaming.operator import StateRecord
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


class SeenIds(NamedTuple):
    """Ids of processed records, as one record of a checkpoint."""

    kind: str
    """What they are ids of."""
    segment: IdSegment


def seen_records(
    kind: str, changes: SegmentChanges, encode: Callable[[SeenIds], bytes]
) -> list[StateRecord]:
    """Build the state records of changed segments of ids.

    Args:
        kind: what they are ids of.
        changes: since the last checkpoint.
        encode: of the changelog's codec.
    """
    written = [
        StateRecord(_seen_key(kind, segment.number), encode(SeenIds(kind, segment)))
        for segment in changes.written
    ]
    return written + [StateRecord(_seen_key(kind, number), None) for number in changes.expired]


def _seen_key(kind: str, number: int) -> bytes:
    return f"seen|{kind}|{number}".encode()


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
    """Ledgers, working orders and ids of processed records."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._codec = _FieldsCodec(catalogue, RISK_CHANGELOG)

    def ledger_key(self, record: LedgerRecord) -> bytes:
        """Strategy id and token."""
        return f"ledger|{record.strategy_id}|{record.instrument_token}".encode()

    def order_key(self, client_order_id: str) -> bytes:
        """The order's id."""
        return f"order|{client_order_id}".encode()

    def encode(self, record: LedgerRecord | WorkingOrder | SeenIds) -> bytes:
        """The record's value."""
        fields: dict[str, Any] = {"ledger": None, "order": None, "seen": None}
        if isinstance(record, SeenIds):
            fields["seen"] = _seen_fields(record)
        elif isinstance(record, LedgerRecord):
            fields["ledger"] = record._asdict()
        else:
            fields["order"] = record._asdict()
        return self._codec.write(fields)

    def decode(self, value: bytes) -> LedgerRecord | WorkingOrder | SeenIds:
        """The record in ``value``.

        Raises:
            WireError: it is none of them.
        """
        fields = self._codec.read(value)
        if fields["seen"] is not None:
            return _seen(fields["seen"])
        ledger = fields["ledger"]
        return WorkingOrder(**fields["order"]) if ledger is None else LedgerRecord(**ledger)


class RouterStateCodec:
    """Ids of routed orders, and the routes that version 1 wrote."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._codec = _FieldsCodec(catalogue, ROUTER_CHANGELOG)

    def route_key(self, record: RouteRecord) -> bytes:
        """Account, strategy id and token."""
        return _route_key(record).encode()

    def encode(self, record: SeenIds) -> bytes:
        """The record's value."""
        return self._codec.write({**_NO_ROUTE, "seen": _seen_fields(record)})

    def decode(self, value: bytes) -> RouteRecord | SeenIds:
        """The record in ``value``.

        Raises:
            WireError: it is neither.
        """
        fields = self._codec.read(value)
        seen = fields.pop("seen")
        return RouteRecord(**fields) if seen is None else _seen(seen)


class PaperStateCodec:
    """Open orders, ids of processed orders, and the routes that version 1 wrote."""

    def __init__(self, catalogue: Catalogue, orders: Codec[Order]) -> None:
        self._codec = _FieldsCodec(catalogue, PAPER_CHANGELOG)
        self._orders = orders

    def route_key(self, record: RouteRecord) -> bytes:
        """Account, strategy id and token."""
        return f"route|{_route_key(record)}".encode()

    def order_key(self, client_order_id: str) -> bytes:
        """The order's id."""
        return f"order|{client_order_id}".encode()

    def encode(self, record: OpenOrder | SeenIds) -> bytes:
        """The record's value."""
        if isinstance(record, SeenIds):
            return self._codec.write({"open": None, "route": None, "seen": _seen_fields(record)})
        fields = {
            "order": self._orders.encode(record.order),
            "filled": record.filled,
            "events": record.events,
            "notional_raw": str(record.notional_raw),
        }
        return self._codec.write({"open": fields, "route": None, "seen": None})

    def decode(self, value: bytes) -> OpenOrder | RouteRecord | SeenIds:
        """The record in ``value``.

        Raises:
            WireError: it is none of them.
        """
        fields = self._codec.read(value)
        if fields["seen"] is not None:
            return _seen(fields["seen"])
        opened = fields["open"]
        if opened is None:
            return RouteRecord(**fields["route"])
        return OpenOrder(
            order=self._orders.decode(opened["order"]),
            filled=opened["filled"],
            events=opened["events"],
            notional_raw=int(opened["notional_raw"]),
        )


_NO_ROUTE = RouteRecord("", "", 0, "", -1)._asdict()


def _seen_fields(record: SeenIds) -> dict[str, Any]:
    return {"kind": record.kind, **record.segment._asdict()}


def _seen(fields: dict[str, Any]) -> SeenIds:
    segment = IdSegment(fields["number"], fields["expires_us"], tuple(fields["ids"]))
    return SeenIds(fields["kind"], segment)


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
