"""Every topic's codec, made once at start-up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.trading import (
    Activation,
    ControlEvent,
    ExecutionReport,
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    Side,
    Stage,
    TradingState,
)
from algo_panda.wire.catalogue import Catalogue, load_catalogue
from algo_panda.wire.executions import ExecutionCodec
from algo_panda.wire.orders import OrderCodec
from algo_panda.wire.records import RecordCodec, RecordType
from algo_panda.wire.registry import RegistrySource
from algo_panda.wire.signals import SignalCodec
from algo_panda.wire.sources import CatalogueSource, SchemaSource
from algo_panda.wire.ticks import TickCodec

T = TypeVar("T")

SIGNALS = RecordType(
    topic="signals",
    make=TradingSignal.of,
    prices=("price", "tick_price"),
    times=("event_time",),
    quantities=("quantity",),
    confidences=("confidence",),
    tuples=("brokers",),
    enums={"signal_type": SignalType},
    repeating=8,
)
ORDERS = RecordType(
    topic="orders",
    make=Order.of,
    prices=("signal_price", "reference_price"),
    times=("event_time",),
    quantities=("quantity",),
    decisions=("decision",),
    enums={"side": Side},
)
PAPER_ORDERS = replace(ORDERS, topic="paper-orders")
REJECTIONS = RecordType(
    topic="rejections",
    make=Rejection,
    times=("event_time",),
    decisions=("decision",),
    enums={"stage": Stage, "code": RejectionCode},
)
EXECUTIONS = RecordType(
    topic="executions",
    make=ExecutionReport.of,
    prices=("last_price",),
    amounts=("fees",),
    times=("event_time",),
    quantities=("quantity", "last_quantity", "cumulative_quantity"),
    decisions=("decision",),
    enums={"side": Side, "status": OrderStatus},
)
ACTIVATIONS = RecordType(topic="activations", make=Activation)
CONTROL = RecordType(
    topic="control",
    make=ControlEvent,
    times=("issued_at",),
    enums={"state": TradingState},
)


class Codec(Protocol[T]):
    """Domain objects of one class to framed bytes and back."""

    def encode(self, record: T, /) -> bytes:
        """The bytes of ``record``.

        Raises:
            WireError: it could not be read back.
        """
        ...

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> T:
        """The object in ``value``, of a record with this Kafka timestamp (0: unknown).

        Raises:
            WireError: the subclass, and its ``code``, say what is wrong with ``value``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Codecs:
    """One codec for each topic."""

    ticks: TickCodec
    signals: Codec[TradingSignal]
    orders: Codec[Order]
    paper_orders: Codec[Order]
    rejections: Codec[Rejection]
    executions: ExecutionCodec
    activations: Codec[Activation]
    control: Codec[ControlEvent]

    @property
    def by_topic(self) -> Mapping[str, Codec[Any]]:
        """The same, by the name that the topic is declared as."""
        return {name.replace("_", "-"): getattr(self, name) for name in self.__slots__}


def load_codecs(
    *,
    registry_url: str | None = None,
    topic_prefix: str = "",
    schemas_dir: Path | None = None,
) -> Codecs:
    """Check the schemas and make the codecs.

    Args:
        registry_url: a Confluent-compatible registry to take ids from; None: the schema files.
        topic_prefix: what stands before the topic names on the broker, hence before subjects.
        schemas_dir: the schema files; by default the ones that came with this program.

    Raises:
        SchemaError: the schemas, or the registry, cannot be used; the message says why.
    """
    catalogue = load_catalogue(schemas_dir)
    source = _source(catalogue, registry_url, topic_prefix)
    newest = catalogue.newest("ticks")
    return Codecs(
        ticks=TickCodec(schema=newest.schema, writer_id=source.writer_id("ticks"), source=source),
        signals=_signal_codec(catalogue, source),
        orders=_order_codec(ORDERS, catalogue, source),
        paper_orders=_order_codec(PAPER_ORDERS, catalogue, source),
        rejections=_record_codec(REJECTIONS, catalogue, source),
        executions=_execution_codec(catalogue, source),
        activations=_record_codec(ACTIVATIONS, catalogue, source),
        control=_record_codec(CONTROL, catalogue, source),
    )


def _signal_codec(catalogue: Catalogue, source: SchemaSource) -> SignalCodec:
    return SignalCodec(
        _record_codec(SIGNALS, catalogue, source),
        schema=catalogue.newest(SIGNALS.topic).schema,
        writer_id=source.writer_id(SIGNALS.topic),
    )


def _order_codec(kind: RecordType[Order], catalogue: Catalogue, source: SchemaSource) -> OrderCodec:
    records = _record_codec(kind, catalogue, source)
    return OrderCodec(records, writer_id=source.writer_id(kind.topic))


def _execution_codec(catalogue: Catalogue, source: SchemaSource) -> ExecutionCodec:
    records = _record_codec(EXECUTIONS, catalogue, source)
    return ExecutionCodec(records, writer_id=source.writer_id(EXECUTIONS.topic))


def _record_codec(
    kind: RecordType[T], catalogue: Catalogue, source: SchemaSource
) -> RecordCodec[T]:
    return RecordCodec(
        kind,
        schema=catalogue.newest(kind.topic).schema,
        writer_id=source.writer_id(kind.topic),
        source=source,
    )


def _source(catalogue: Catalogue, registry_url: str | None, topic_prefix: str) -> SchemaSource:
    if registry_url is None:
        return CatalogueSource(catalogue)
    return RegistrySource(catalogue, url=registry_url, topic_prefix=topic_prefix)
