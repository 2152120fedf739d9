"""Ticks in raw records, or why a record is none."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import fastavro
import yaml

from algo_panda.domain.market import MarketTick
from tests.oracle.ids import partition_of
from tests.oracle.records import SCHEMAS, Raw
from tests.oracle.runner.rules import RunnerRules
from tests.oracle.runner.user_code import attempt

_YEAR_1990_US = 631_152_000 * 1_000_000
_YEAR_10000_US = 253_402_300_800 * 1_000_000
_DAY_US = 86_400 * 1_000_000
_DIGITS = 18


class Unusable(NamedTuple):
    """A record that becomes a dead letter."""

    raw: Raw
    codes: frozenset[str]
    """The reasons; one of them is in its headers."""
    named: tuple[str, ...] = ()
    """What the sentence about the reason contains."""


class TickReader:
    """Reads the records of ``ticks``."""

    def __init__(self, rules: RunnerRules) -> None:
        self._rules = rules
        self._topics, self._schemas = _known_schemas()

    def read(self, raw: Raw) -> MarketTick | Unusable:
        """Return the tick in a record, or why there is none that the runner can use."""
        value = raw.value
        if value is None or len(value) < 5:
            return Unusable(raw, frozenset({"TOO_SHORT"}))
        if value[0] != 0:
            return Unusable(raw, frozenset({"WRONG_MAGIC_BYTE"}), (f"{value[0]:02x}",))
        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id not in self._topics:
            return Unusable(raw, frozenset({"UNKNOWN_SCHEMA_ID"}), (str(schema_id),))
        if schema_id not in self._schemas:
            return Unusable(raw, frozenset({"WRONG_SCHEMA"}), (str(schema_id),))
        body = _Body(value[5:])
        fields, error = attempt(fastavro.schemaless_reader, body, self._schemas[schema_id], None)
        if error is not None:
            return Unusable(raw, frozenset({"UNDECODABLE"}))
        if body.left:
            return Unusable(raw, frozenset({"TRAILING_BYTES"}), (str(body.left),))
        tick = MarketTick(
            fields["instrument_token"],
            fields["event_time"],
            int.from_bytes(fields["last_price"], "big", signed=True),
            fields["last_traded_quantity"],
            fields["volume_traded"],
            max(raw.timestamp_ms, 0) * 1_000,
        )
        codes = _invalid(tick)
        return Unusable(raw, codes) if codes else self._placed(raw, tick)

    def _placed(self, raw: Raw, tick: MarketTick) -> MarketTick | Unusable:
        key = b"%d" % tick.instrument_token
        if raw.key != key:
            return Unusable(raw, frozenset({"KEY_MISMATCH"}), (repr(raw.key), repr(key)))
        home = partition_of(key, self._rules.partitions["ticks"])
        if home == raw.partition or self._rules.accepts_misplaced:
            return tick
        named = (repr(key), f"partition {home}", f"partition {raw.partition}")
        return Unusable(raw, frozenset({"MISPLACED_KEY"}), named)


def _invalid(tick: MarketTick) -> frozenset[str]:
    """Return what must not be believed of a tick."""
    received = tick.received_time_us
    latest = received + _DAY_US if received else _YEAR_10000_US - 1
    found = {
        "INVALID_PRICE": not 0 < tick.price_raw < 10**_DIGITS,
        "INVALID_QUANTITY": tick.last_traded_quantity < 0 or tick.volume_traded < 0,
        "INVALID_TIME": not _YEAR_1990_US <= tick.event_time_us <= latest,
    }
    return frozenset(code for code, is_so in found.items() if is_so)


class _Body:
    """Bytes that are read from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, count: int) -> bytes:
        """Return the next bytes; fewer at the end."""
        if count < 0:
            raise ValueError("a length below 0")
        part = self._data[self._at : self._at + count]
        self._at += len(part)
        return part

    @property
    def left(self) -> int:
        return len(self._data) - self._at


@cache
def _known_schemas() -> tuple[Mapping[int, str], Mapping[int, Any]]:
    """Return the topic of every schema id, and the schemas of ticks."""
    index = yaml.safe_load((SCHEMAS / "index.yaml").read_text("utf-8"))["schemas"]
    topics = {entry["id"]: entry["topic"] for entry in index}
    ticks = {
        entry["id"]: _plain_schema((SCHEMAS / entry["file"]).read_text("utf-8"))
        for entry in index
        if entry["topic"] == "ticks"
    }
    return topics, ticks


def _plain_schema(text: str) -> Any:
    """Return a schema without logical types: prices are read as bytes, times as numbers."""
    schema = json.loads(text)
    for field in schema["fields"]:
        if isinstance(field["type"], dict):
            field["type"] = field["type"]["type"]
    return fastavro.parse_schema(schema)
