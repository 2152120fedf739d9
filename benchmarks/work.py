"""What one tick takes, by hand on fastavro: decode, RSI, validation, provenance, encode.

Every peer runs this, and the raw loop is little else. Nothing here is imported from
``algo_panda``: that our own signals equal these, byte for byte, is part of every run. Prices stay
whole numbers of ``10**-8``, and schemas are read without their logical types, because both are
faster.
"""

import io
import json
import struct
from collections import deque
from hashlib import blake2b
from pathlib import Path
from typing import Any

import fastavro

SCHEMAS = Path(__file__).parents[1] / "schemas"

STRATEGY_ID = "3f6c2b5e-6a2e-5a43-8f0a-0d8e7c1b9a55"
STRATEGY_TYPE = "rules_rsi_timed"
PERIOD, LOWER, UPPER, FLAT_RSI = 14, 30, 70, 100
CONFIDENCE, QUANTITY, BROKERS = 0.7, 1, ("paper",)

_LOGICAL = ("logicalType", "precision", "scale")
_read: Any = fastavro.schemaless_reader
_write: Any = fastavro.schemaless_writer


def _plain(schema: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key not in _LOGICAL}
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema


def _load(name: str) -> Any:  # noqa: ANN401 - what fastavro makes of a schema
    return fastavro.parse_schema(_plain(json.loads((SCHEMAS / name).read_text())))


TICK = _load("market_tick.v1.avsc")
SIGNAL = _load("signal_result.v1.avsc")
TICK_HEADER = struct.pack(">bI", 0, 1000001)
SIGNAL_HEADER = struct.pack(">bI", 0, 1000002)


def price_bytes(raw: int) -> bytes:
    """Avro's decimal: two's complement, big-endian, no longer than it must be."""
    return raw.to_bytes((raw.bit_length() + 8) // 8, "big", signed=True)


def encode_tick(token: int, price: int, quantity: int, volume: int, event_time: int) -> bytes:
    out = io.BytesIO()
    out.write(TICK_HEADER)
    tick = {
        "instrument_token": token,
        "event_time": event_time,
        "last_price": price_bytes(price),
        "last_traded_quantity": quantity,
        "volume_traded": volume,
    }
    _write(out, TICK, tick)
    return out.getvalue()


def decode_tick(value: bytes) -> dict[str, Any]:
    tick: dict[str, Any] = _read(io.BytesIO(value[5:]), TICK, None)
    tick["last_price"] = int.from_bytes(tick["last_price"], "big", signed=True)
    return tick


def decode_signal(value: bytes) -> dict[str, Any]:
    signal: dict[str, Any] = _read(io.BytesIO(value[5:]), SIGNAL, None)
    return signal


class Rsi:
    """Cutler's RSI in exact whole numbers, with running sums."""

    __slots__ = ("gains", "last", "losses", "moves")

    def __init__(self) -> None:
        self.last: int | None = None
        self.moves: deque[int] = deque()
        self.gains = self.losses = 0

    def update(self, price: int) -> str | None:
        """BUY, SELL or None."""
        last, self.last = self.last, price
        if last is None:
            return None
        move = price - last
        self.moves.append(move)
        if move > 0:
            self.gains += move
        else:
            self.losses -= move
        if len(self.moves) > PERIOD:
            old = self.moves.popleft()
            if old > 0:
                self.gains -= old
            else:
                self.losses += old
        elif len(self.moves) < PERIOD:
            return None
        rise, total = 100 * self.gains, self.gains + self.losses
        if not total:
            rise, total = FLAT_RSI, 1
        if rise < LOWER * total:
            return "BUY"
        return "SELL" if rise > UPPER * total else None

    @property
    def value(self) -> float:
        total = self.gains + self.losses
        return 100 * self.gains / total if total else float(FLAT_RSI)


def refusal(signal: dict[str, Any], tick: dict[str, Any]) -> str | None:
    """The rules of the standard validator; None where the signal keeps them."""
    if signal["signal_type"] not in ("BUY", "SELL", "HOLD"):
        return "signal type"
    if not 0 <= signal["confidence"] <= 1:
        return "confidence"
    if type(signal["quantity"]) is not int or signal["quantity"] <= 0:
        return "quantity"
    if not 0 < signal["price"] < 10**18:
        return "price"
    if abs(signal["price"] - tick["last_price"]) * 20 > tick["last_price"]:
        return "price band"
    return None


class TickWork:
    """One tick after the other to one signal or none, for any number of instruments."""

    def __init__(self, topic_id: str) -> None:
        self.topic_id = topic_id
        self.states: dict[int, Rsi] = {}

    def on_tick(self, value: bytes, partition: int, offset: int) -> bytes | None:
        tick = decode_tick(value)
        token = tick["instrument_token"]
        rsi = self.states.get(token)
        if rsi is None:
            rsi = self.states[token] = Rsi()
        return self.update(rsi, tick, partition, offset)

    def update(self, rsi: Rsi, tick: dict[str, Any], partition: int, offset: int) -> bytes | None:
        side = rsi.update(tick["last_price"])
        if side is None:
            return None
        token, price = tick["instrument_token"], tick["last_price"]
        cause = f"{STRATEGY_ID}|{token}|{self.topic_id}|{partition}|{offset}"
        level = f"below {LOWER}" if side == "BUY" else f"above {UPPER}"
        signal = {
            "strategy_id": STRATEGY_ID,
            "strategy_type": STRATEGY_TYPE,
            "strategy_version": 1,
            "model_digest": None,
            "instrument_token": token,
            "brokers": BROKERS,
            "tick_topic_id": self.topic_id,
            "tick_partition": partition,
            "tick_offset": offset,
            "signal_id": blake2b(cause.encode(), digest_size=16).hexdigest(),
            "signal_type": side,
            "confidence": CONFIDENCE,
            "quantity": QUANTITY,
            "price": price,
            "reasoning": f"RSI {rsi.value:.2f} {level}",
            "event_time": tick["event_time"],
            "tick_price": price,
        }
        wrong = refusal(signal, tick)
        if wrong is not None:
            raise ValueError(f"refused: {wrong}")
        signal["price"] = signal["tick_price"] = price_bytes(price)
        out = io.BytesIO()
        out.write(SIGNAL_HEADER)
        _write(out, SIGNAL, signal)
        return out.getvalue()
