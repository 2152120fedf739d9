"""Checkpoint records of an earlier version decode to what a plain Avro reader finds in them."""

import io
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import yaml

from algo_panda.brokers.paper.venue import OpenOrder
from algo_panda.domain.market import MarketTick
from algo_panda.domain.routes import RouteRecord
from algo_panda.risk.ledger import LedgerRecord, WorkingOrder
from algo_panda.streaming.operators.versions import STRATEGIES_KEY, decode_configs
from algo_panda.streaming.state_codec import (
    InstrumentRecordCodec,
    PaperStateCodec,
    RiskStateCodec,
    RouterStateCodec,
)
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from tests.support.golden import Golden

SCHEMAS = Path(__file__).parents[2] / "schemas"
CATALOGUE = load_catalogue()


def values(golden: Golden, program: str) -> Iterator[tuple[bytes, bytes]]:
    for line in golden.lines("state.jsonl.xz"):
        if line["topic"] == f"{program}-state-changelog":
            yield b64decode(line["key"]), b64decode(line["value"])


def plain(value: bytes) -> dict[str, Any]:
    """The fields, by the schema file that was published with the id in the first five bytes."""
    index = yaml.safe_load((SCHEMAS / "index.yaml").read_text())["schemas"]
    (file,) = [entry["file"] for entry in index if entry["id"] == int.from_bytes(value[1:5])]
    buffer = io.BytesIO(value[5:])
    schema = fastavro.parse_schema(json.loads((SCHEMAS / file).read_text()))
    fields: Any = fastavro.schemaless_reader(buffer, schema)
    assert buffer.read() == b""
    return dict(fields)


def fields_of(record: Any, like: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in like}


def tick_of(token: int, past: dict[str, Any]) -> MarketTick:
    return MarketTick(
        instrument_token=token,
        event_time_us=past["event_time"],
        price_raw=past["price"],
        last_traded_quantity=past["last_traded_quantity"],
        volume_traded=past["volume_traded"],
        received_time_us=past["received_time"],
    )


def test_instruments(golden: Golden) -> None:
    codec = InstrumentRecordCodec(CATALOGUE)
    records = [(k, v) for k, v in values(golden, "runner") if k != STRATEGIES_KEY]
    seen: set[str] = set()
    for key, value in records:
        record, expected = codec.decode(value), plain(value)
        token = expected["instrument_token"]
        assert key == codec.key(record) == str(token).encode()
        assert record.last_offset == expected["last_offset"]
        assert record.history == tuple(tick_of(token, past) for past in expected["history"])
        assert [record.last_tick] == [tick_of(token, past) for past in expected["last_tick"]]
        assert record.newest_event_time_us == expected["newest_event_time"]
        for strategy, state in zip(record.strategies, expected["strategies"], strict=True):
            marks = [mark._asdict() for mark in strategy.marks]
            assert {**fields_of(strategy, state), "marks": marks} == state
            seen |= {name for name, field in state.items() if field}

    assert len(records) == 6
    assert seen >= {"processor", "bars", "marks", "quarantine_reason", "failures"}


def test_strategy_versions(golden: Golden) -> None:
    recorded = [value for key, value in values(golden, "runner") if key == STRATEGIES_KEY]
    for value in recorded:
        configs = {str(config.id): config for config in decode_configs(value)}
        for fields in json.loads(value):
            config = configs.pop(fields["id"])
            assert config.strategy_type == fields["strategy_type"]
            assert dict(config.parameters) == fields["parameters"]
            assert list(config.instruments) == fields["instruments"]
            assert config.active_brokers == (
                None if fields["active_brokers"] is None else tuple(fields["active_brokers"])
            )
            assert config.validator_type == fields["validator_type"]
            assert config.zerodha_trading_enabled == fields["zerodha_trading_enabled"]
            assert config.version == fields["version"]
        assert configs == {}
    assert recorded


def test_positions_and_working_orders(golden: Golden) -> None:
    codec = RiskStateCodec(CATALOGUE)
    kinds: set[type] = set()
    for key, value in values(golden, "risk"):
        record, expected = codec.decode(value), plain(value)
        (fields,) = [found for found in expected.values() if found is not None]
        assert fields_of(record, fields) == fields
        is_ledger = isinstance(record, LedgerRecord)
        assert key == (
            codec.ledger_key(record) if is_ledger else codec.order_key(record.client_order_id)
        )
        kinds.add(type(record))
    assert kinds == {LedgerRecord, WorkingOrder}


def test_routes(golden: Golden) -> None:
    codec = RouterStateCodec(CATALOGUE)
    records = list(values(golden, "router"))
    for key, value in records:
        record, expected = codec.decode(value), plain(value)
        assert fields_of(record, expected) == expected
        assert isinstance(record, RouteRecord)
        assert key == codec.route_key(record)
    assert records


def test_open_orders_and_routes_at_the_venue(golden: Golden) -> None:
    codecs = load_codecs()
    codec = PaperStateCodec(CATALOGUE, codecs.paper_orders)
    kinds: set[type] = set()
    for key, value in values(golden, "paper"):
        record, expected = codec.decode(value), plain(value)
        if isinstance(record, RouteRecord):
            assert key == codec.route_key(record)
            assert fields_of(record, expected["route"]) == expected["route"]
        else:
            assert isinstance(record, OpenOrder)
            assert key == codec.order_key(record.order.client_order_id)
            fields = expected["open"]
            assert str(record.notional_raw) == fields["notional_raw"]
            assert (record.filled, record.events) == (fields["filled"], fields["events"])
            order = plain(fields["order"])
            assert record.order.client_order_id == order["client_order_id"]
            assert record.order.quantity == order["quantity"]
            assert record.order.signal_price == order["signal_price"]
        kinds.add(type(record))
    assert kinds == {OpenOrder, RouteRecord}
