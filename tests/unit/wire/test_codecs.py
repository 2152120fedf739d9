"""Every codec against itself, against the reference library, and against plain fastavro."""

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from io import BytesIO
from typing import Any

import avro.io
import avro.schema
import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.decisions import Decision
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import from_raw
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
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.errors import (
    InvalidAmountError,
    InvalidConfidenceError,
    InvalidPriceError,
    InvalidQuantityError,
    InvalidTimeError,
    UnencodableError,
    WireError,
)
from algo_panda.wire.framing import HEADER_SIZE
from algo_panda.wire.json_form import to_json
from algo_panda.wire.reader import bare
from tests.unit.fakes.values import changed

CODECS = load_codecs()
CATALOGUE = load_catalogue()

longs = st.integers(-(2**63), 2**63 - 1)
tokens = st.integers(1, 2**32 - 1)
counts = st.integers(0, 2**63 - 1)
partitions = st.integers(0, 2**31 - 1)
texts = st.text(max_size=40)
maybe_texts = st.none() | texts
prices = st.integers(1, 10**18 - 1).map(from_raw)
times = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
decisions = st.none() | st.builds(
    Decision,
    # 1990 to 2200, microseconds since the epoch
    decided_us=st.integers(631_152_000_000_000, 7_258_118_400_000_000),
    control_offset=st.none() | counts,
    executions_offset=st.none() | counts,
    limits_version=maybe_texts,
)
ticks = st.builds(
    MarketTick.of,
    instrument_token=tokens,
    event_time=times,
    last_price=prices,
    last_traded_quantity=counts,
    volume_traded=counts,
)
signals = st.builds(
    TradingSignal.of,
    signal_id=texts,
    strategy_id=texts,
    strategy_type=texts,
    strategy_version=counts,
    model_digest=maybe_texts,
    instrument_token=tokens,
    signal_type=st.sampled_from(SignalType),
    confidence=st.floats(0, 1),
    quantity=counts,
    price=prices,
    reasoning=maybe_texts,
    event_time=times,
    tick_price=prices,
    brokers=st.lists(texts, max_size=3).map(tuple),
    tick_topic_id=texts,
    tick_partition=partitions,
    tick_offset=counts,
)
orders = st.builds(
    Order.of,
    client_order_id=texts,
    signal_id=texts,
    account=texts,
    broker=texts,
    strategy_id=texts,
    strategy_type=texts,
    instrument_token=tokens,
    side=st.sampled_from(Side),
    quantity=counts,
    signal_price=prices,
    reference_price=prices,
    event_time=times,
    tick_topic_id=texts,
    tick_partition=partitions,
    tick_offset=counts,
    decision=decisions,
)
rejections = st.builds(
    Rejection,
    rejection_id=texts,
    stage=st.sampled_from(Stage),
    code=st.sampled_from(RejectionCode),
    reason=texts,
    signal_id=texts,
    strategy_id=texts,
    strategy_type=texts,
    instrument_token=tokens,
    account=maybe_texts,
    broker=maybe_texts,
    event_time=times,
    tick_partition=partitions,
    tick_offset=counts,
    decision=decisions,
)
executions = st.builds(
    ExecutionReport.of,
    execution_id=texts,
    client_order_id=texts,
    venue_order_id=maybe_texts,
    signal_id=texts,
    account=texts,
    broker=texts,
    strategy_id=texts,
    strategy_type=texts,
    instrument_token=tokens,
    side=st.sampled_from(Side),
    status=st.sampled_from(OrderStatus),
    quantity=counts,
    last_quantity=counts,
    last_price=st.none() | prices,
    cumulative_quantity=counts,
    fees=st.none() | prices | prices.map(lambda price: -price) | st.just(Decimal(0)),
    reason=maybe_texts,
    event_time=times,
    decision=decisions,
)
activations = st.builds(
    Activation,
    strategy_id=texts,
    strategy_type=texts,
    strategy_version=counts,
    configuration_digest=texts,
    configuration=maybe_texts,
    active=st.booleans(),
    reason=maybe_texts,
    tick_topic_id=texts,
    tick_partition=partitions,
    tick_offset=counts,
)
control = st.builds(
    ControlEvent,
    account=texts,
    state=st.sampled_from(TradingState),
    reason=texts,
    issued_by=texts,
    issued_at=times,
)
RECORDS: Mapping[str, st.SearchStrategy[Any]] = {
    "ticks": ticks,
    "signals": signals,
    "orders": orders,
    "paper-orders": orders,
    "rejections": rejections,
    "executions": executions,
    "activations": activations,
    "control": control,
}
records = st.sampled_from(sorted(RECORDS)).flatmap(
    lambda topic: st.tuples(st.just(topic), RECORDS[topic])
)

A_SIGNAL = TradingSignal.of(
    signal_id="0123456789abcdef0123456789abcdef",
    strategy_id="c56a4180-65aa-42ec-a945-5fd21dec0538",
    strategy_type="rules_rsi",
    strategy_version=1,
    model_digest=None,
    instrument_token=408065,
    signal_type=SignalType.BUY,
    confidence=0.7,
    quantity=1,
    price=Decimal("184.32"),
    reasoning="RSI 28.31 below 30",
    event_time=datetime(2013, 10, 7, 13, 30, 1, 123456, tzinfo=UTC),
    tick_price=Decimal("184.31"),
    brokers=("paper",),
    tick_topic_id="abcdefghijklmnopqrstuv",
    tick_partition=3,
    tick_offset=123456,
)


def schema_of(topic: str) -> dict[str, Any]:
    return CATALOGUE.newest(topic).schema


def field_names(topic: str) -> list[str]:
    return [field["name"] for field in schema_of(topic)["fields"]]


def on_the_wire(value: Any) -> Any:
    """A value as Avro has it without logical types, worked out apart from the code under test."""
    match value:
        case Enum():
            return value.name
        case Decimal():
            raw = int(value * 10**8)
            return raw.to_bytes(raw.bit_length() // 8 + 1, "big", signed=True)
        case datetime():
            whole = value - datetime(1970, 1, 1, tzinfo=UTC)
            return (whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds
        case Decision():
            return {"decided_at": value.decided_us, **offsets_of(value)}
        case tuple():
            return list(value)
        case _:
            return value


def offsets_of(decision: Decision) -> dict[str, Any]:
    return {
        name: getattr(decision, name)
        for name in ("control_offset", "executions_offset", "limits_version")
    }


def as_fastavro_has_it(value: Any) -> Any:
    """A value as Avro has it with logical types."""
    match value:
        case Enum():
            return value.name
        case Decision():
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            decided_at = epoch + timedelta(microseconds=value.decided_us)
            return {"decided_at": decided_at, **offsets_of(value)}
        case tuple():
            return list(value)
        case _:
            return value


def wire_fields(topic: str, record: Any) -> dict[str, Any]:
    return {name: on_the_wire(getattr(record, name)) for name in field_names(topic)}


def reference_schema(topic: str) -> Any:
    return avro.schema.parse(json.dumps(bare(schema_of(topic))))


def test_there_is_a_codec_for_every_topic_of_values_and_a_test_for_every_codec():
    assert set(CODECS.by_topic) == set(RECORDS)
    assert set(CODECS.by_topic) <= set(CATALOGUE.by_topic)


@given(records)
def test_what_is_written_is_read_back_equal(topic_and_record):
    topic, record = topic_and_record
    codec = CODECS.by_topic[topic]
    assert codec.decode(codec.encode(record)) == record


@given(records)
def test_the_same_record_gives_the_same_bytes(topic_and_record):
    topic, record = topic_and_record
    codec = CODECS.by_topic[topic]
    assert codec.encode(record) == load_codecs().by_topic[topic].encode(record)


@given(records)
def test_bytes_are_those_of_the_reference_writer(topic_and_record):
    topic, record = topic_and_record
    buffer = BytesIO()
    avro.io.DatumWriter(reference_schema(topic)).write(
        wire_fields(topic, record), avro.io.BinaryEncoder(buffer)
    )
    assert CODECS.by_topic[topic].encode(record)[HEADER_SIZE:] == buffer.getvalue()


@given(records)
def test_the_reference_reader_reads_our_bytes(topic_and_record):
    topic, record = topic_and_record
    schema = reference_schema(topic)
    buffer = BytesIO(CODECS.by_topic[topic].encode(record)[HEADER_SIZE:])
    read = avro.io.DatumReader(schema, schema).read(avro.io.BinaryDecoder(buffer))
    assert read == wire_fields(topic, record)


@given(records)
def test_plain_fastavro_gives_decimals_and_datetimes(topic_and_record):
    topic, record = topic_and_record
    buffer = BytesIO(CODECS.by_topic[topic].encode(record)[HEADER_SIZE:])
    read: Any = fastavro.schemaless_reader(buffer, schema_of(topic), None)
    for name in field_names(topic):
        expected = as_fastavro_has_it(getattr(record, name))
        assert read[name] == expected
        assert type(read[name]) is type(expected)


@given(records)
def test_what_plain_fastavro_writes_is_read(topic_and_record):
    topic, record = topic_and_record
    plain = {name: as_fastavro_has_it(getattr(record, name)) for name in field_names(topic)}
    buffer = BytesIO()
    codec = CODECS.by_topic[topic]
    buffer.write(codec.encode(record)[:HEADER_SIZE])
    fastavro.schemaless_writer(buffer, schema_of(topic), plain)
    assert codec.decode(buffer.getvalue()) == record


@given(records)
def test_json_has_the_schema_s_names_and_only_json_values(topic_and_record):
    topic, record = topic_and_record
    given_json = to_json(record)
    assert set(given_json) == set(field_names(topic))
    assert json.loads(json.dumps(given_json)) == given_json


def test_every_class_has_exactly_the_fields_of_its_schema():
    made = {
        "rejections": Rejection,
        "activations": Activation,
        "control": ControlEvent,
    }
    for topic, cls in made.items():
        assert is_dataclass(cls)
        assert {field.name for field in fields(cls)} == set(field_names(topic))
    tuples: dict[str, Any] = {
        "signals": TradingSignal,
        "orders": Order,
        "paper-orders": Order,
        "executions": ExecutionReport,
    }
    for topic, kind in tuples.items():
        assert set(inspect.signature(kind.of).parameters) == set(field_names(topic))
        plain = [name.removesuffix("_raw").removesuffix("_us") for name in kind._fields]
        assert plain == field_names(topic)


by_hand = st.sampled_from(["signals", "orders", "paper-orders", "executions"]).flatmap(
    lambda topic: st.tuples(st.just(topic), RECORDS[topic])
)


@given(by_hand)
def test_what_is_written_by_hand_is_what_the_generic_writer_writes(topic_and_record):
    topic, record = topic_and_record
    codec: Any = CODECS.by_topic[topic]
    assert codec.encode(record) == codec._records.encode(record)


@given(executions)
def test_fingerprints_are_made_of_the_bytes_of_version_2(report: ExecutionReport):
    (version,) = [v for v in CATALOGUE.by_topic["executions"] if v.version == 2]
    plain = report._replace(decision=None)
    names = [field["name"] for field in version.schema["fields"]]
    buffer = BytesIO(b"\0" + (1000008).to_bytes(4, "big"))
    buffer.seek(HEADER_SIZE)
    written = {name: as_fastavro_has_it(getattr(plain, name)) for name in names}
    fastavro.schemaless_writer(buffer, version.schema, written)
    assert CODECS.executions.encode_version_2(plain) == buffer.getvalue()


odd_values = st.sampled_from(
    [None, -1, 0, True, 2**31, 2**63, -(2**63), 10**18, -(10**18), 1.5, "", "\ud800", "x" * 9_000]
)


@given(by_hand, st.data())
def test_what_is_unusual_is_written_or_refused_as_the_generic_writer_does(topic_and_record, data):
    topic, record = topic_and_record
    codec: Any = CODECS.by_topic[topic]
    name = data.draw(st.sampled_from(sorted(set(record._fields) - {"event_time_us"})))
    odd = record._replace(**{name: data.draw(odd_values)})
    assert outcome(codec.encode, odd) == outcome(codec._records.encode, odd)


@given(st.sampled_from(["orders", "executions"]), st.data())
def test_what_is_read_by_hand_is_what_the_generic_reader_reads(topic, data):
    """Also where a writer of another mind wrote it, and whenever it is said to have arrived."""
    codec: Any = CODECS.by_topic[topic]
    record = data.draw(RECORDS[topic])
    fields_on_wire = wire_fields(topic, record)
    changes = {
        "quantity": longs,
        "event_time": longs,
        "side": st.sampled_from(["BUY", "UNKNOWN"]),
        **{name: st.binary(max_size=9) for name in ("signal_price", "last_price", "fees")},
        "decision": st.fixed_dictionaries(
            {
                "decided_at": longs,
                "control_offset": st.none() | longs,
                "executions_offset": st.none() | longs,
                "limits_version": maybe_texts,
            }
        ),
    }
    name = data.draw(st.sampled_from(sorted(set(changes) & set(fields_on_wire))))
    fields_on_wire[name] = data.draw(changes[name])
    buffer = BytesIO()
    buffer.write(codec.encode(record)[:HEADER_SIZE])
    fastavro.schemaless_writer(buffer, bare(schema_of(topic)), fields_on_wire)
    arrived = data.draw(st.sampled_from([0, 1, 1_700_000_000_000]))

    def read(decode: Any) -> Any:
        return outcome(lambda value: decode(value, arrived), buffer.getvalue())

    assert read(codec.decode) == read(codec._records.decode)


@given(
    signals,
    st.sampled_from([1, 0, True, 1.0, 0.0, -0.0]),
    st.sampled_from([1, True, 1.0, 2**63 - 1]),
)
def test_numbers_that_compare_equal_are_not_mistaken_for_each_other(
    signal: TradingSignal, confidence: float, quantity: int
):
    odd = signal._replace(confidence=confidence, quantity=quantity)
    assert outcome(CODECS.signals._records.encode, odd) == outcome(CODECS.signals.encode, odd)


@pytest.mark.parametrize("quantity", [5.7, 5.0, Decimal(5), math.nan, "5", None])
def test_a_quantity_that_is_no_whole_number_is_refused_and_not_cut_off(quantity: Any):
    with pytest.raises(InvalidQuantityError, match="no whole number"):
        CODECS.signals.encode(A_SIGNAL._replace(quantity=quantity))


def test_a_whole_number_of_another_type_is_one():
    odd = A_SIGNAL._replace(quantity=np.int64(A_SIGNAL.quantity))
    assert CODECS.signals.encode(odd) == CODECS.signals.encode(A_SIGNAL)


def outcome(encode: Any, record: Any) -> Any:
    try:
        return encode(record)
    except WireError as error:
        return type(error), str(error)


def test_every_enum_of_the_domain_is_whole_in_the_schemas():
    symbols: dict[str, set[tuple[str, ...]]] = {}
    for topic in RECORDS:
        for field in schema_of(topic)["fields"]:
            kind = field["type"]
            if isinstance(kind, dict) and kind["type"] == "enum":
                assert kind["default"] == "UNKNOWN"
                symbols.setdefault(kind["name"], set()).add(tuple(kind["symbols"]))
    domain = (SignalType, Side, OrderStatus, RejectionCode, Stage, TradingState)
    assert symbols == {e.__name__: {(*e.__members__, "UNKNOWN")} for e in domain}


def test_a_signal_s_json_is_as_documented():
    assert to_json(A_SIGNAL) == {
        "signal_id": "0123456789abcdef0123456789abcdef",
        "strategy_id": "c56a4180-65aa-42ec-a945-5fd21dec0538",
        "strategy_type": "rules_rsi",
        "strategy_version": 1,
        "model_digest": None,
        "instrument_token": 408065,
        "signal_type": "BUY",
        "confidence": 0.7,
        "quantity": 1,
        "price": "184.32",
        "reasoning": "RSI 28.31 below 30",
        "event_time": "2013-10-07T13:30:01.123456Z",
        "tick_price": "184.31",
        "brokers": ["paper"],
        "tick_topic_id": "abcdefghijklmnopqrstuv",
        "tick_partition": 3,
        "tick_offset": 123456,
    }


@pytest.mark.parametrize("price", ["0.00000001", "1E+9", "100", "9999999999.99999999"])
def test_json_prices_have_no_exponent(price: str):
    shown = to_json(changed(A_SIGNAL, price=Decimal(price)))["price"]
    assert "E" not in shown
    assert Decimal(shown) == Decimal(price)


def test_json_is_of_records_only():
    with pytest.raises(TypeError, match="str is no record"):
        to_json("BUY")


@pytest.mark.parametrize(
    ("change", "expected", "code"),
    [
        ({"price": Decimal(0)}, InvalidPriceError, "INVALID_PRICE"),
        ({"price": Decimal(-1)}, InvalidPriceError, "INVALID_PRICE"),
        ({"quantity": -1}, InvalidQuantityError, "INVALID_QUANTITY"),
        ({"quantity": 2**63}, UnencodableError, "UNENCODABLE"),
        ({"confidence": 1.01}, InvalidConfidenceError, "INVALID_CONFIDENCE"),
        ({"confidence": float("nan")}, InvalidConfidenceError, "INVALID_CONFIDENCE"),
        ({"event_time": datetime(1989, 12, 31, tzinfo=UTC)}, InvalidTimeError, "INVALID_TIME"),
        ({"reasoning": "\ud800"}, UnencodableError, "UNENCODABLE"),
        ({"strategy_id": "\ud800"}, UnencodableError, "UNENCODABLE"),
        ({"strategy_id": None}, UnencodableError, "UNENCODABLE"),
        ({"brokers": [1]}, UnencodableError, "UNENCODABLE"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(
    change: dict[str, Any], expected: type[WireError], code: str
):
    with pytest.raises(expected) as caught:
        CODECS.signals.encode(changed(A_SIGNAL, **change))
    assert caught.value.code == code


def test_a_type_that_no_signal_has_is_not_written():
    odd = A_SIGNAL._replace(signal_type="SHORT")  # type: ignore[arg-type]
    with pytest.raises(UnencodableError):
        CODECS.signals.encode(odd)


@pytest.mark.parametrize(
    "change",
    [
        {"price": Decimal("NaN")},
        {"price": Decimal("sNaN")},
        {"price": Decimal("0.000000001")},
        {"price": Decimal(10**10)},
        {"price": None},
        {"event_time": datetime(2013, 1, 1)},  # noqa: DTZ001
    ],
)
def test_a_signal_without_a_price_or_a_time_cannot_even_be_made(change: dict[str, Any]):
    with pytest.raises(ValueError, match=r"price|number|decimal|digits|zone"):
        changed(A_SIGNAL, **change)


def test_a_price_that_came_out_of_a_computation_is_refused_beyond_its_digits() -> None:
    """``from_raw`` remembers what it gave, and ``to_raw`` then asks no more."""
    report = ExecutionReport.of(
        venue_order_id=None,
        fees=None,
        reason=None,
        execution_id="e",
        client_order_id="c",
        signal_id="s",
        account="a",
        broker="paper",
        strategy_id="i",
        strategy_type="t",
        instrument_token=1,
        side=Side.BUY,
        status=OrderStatus.FILLED,
        quantity=1,
        last_quantity=1,
        last_price=from_raw(10**18),
        cumulative_quantity=1,
        event_time=datetime(2024, 1, 1, tzinfo=UTC),
    )
    with pytest.raises(InvalidPriceError, match="more than 18 digits"):
        CODECS.executions.encode(report)
    with pytest.raises(InvalidAmountError, match="more than 18 digits"):
        CODECS.executions.encode(report._replace(last_price_raw=1, fees_raw=-(10**18)))
