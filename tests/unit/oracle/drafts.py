"""Records of a small consistent run, to be spoiled one by one, and their bytes."""

import json
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro

from tests.oracle.cuts import limits_version
from tests.oracle.ids import client_order_id, partition_of, rejection_id, signal_id
from tests.oracle.money import TOPICS, differences
from tests.oracle.records import Raw, Schemas
from tests.oracle.rules import INPUTS, Rules

SCHEMA_IDS = {
    "ticks": 1000001,
    "signals": 1000002,
    "orders": 1000012,
    "executions": 1000015,
    "paper-orders": 1000013,
    "control": 1000007,
    "activations": 1000010,
    "rejections": 1000014,
    "risk-state-changelog": 1000106,
    "router-state-changelog": 1000107,
    "paper-state-changelog": 1000108,
}
TOKEN = 1001
STRATEGY = "00000000-0000-0000-0000-000000000001"
TOPIC_ID = "yW7cT1vNQ6mTe0tV0k9QaA"
START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
WRITTEN_MS = 1_800_000_000_000
WRITTEN_AT = datetime(2027, 1, 15, 8, tzinfo=UTC)
"""The same."""
DAY_US = 24 * 3_600 * 1_000_000
PARTITIONS = 4
RULES = Rules(
    partitions={topic: 1 if topic.endswith(".dlq") else PARTITIONS for topic in TOPICS},
    prefix="test-",
    max_position=10,
    max_quantity=200,
    past_brokers=frozenset({"paper", "zerodha"}),
)
HOME = partition_of(b"%d" % TOKEN, PARTITIONS)
"""The partition of the instrument."""

SCHEMAS = Schemas()


@dataclass
class Draft:
    """A record whose fields can still change."""

    key: str
    fields: dict[str, Any] | bytes | None
    partition: int = HOME
    timestamp_ms: int = WRITTEN_MS
    headers: tuple[tuple[str, bytes | None], ...] = ()

    def __getitem__(self, name: str) -> Any:
        assert isinstance(self.fields, dict)
        return self.fields[name]

    def copy(self, **changed: Any) -> "Draft":
        fields = {**self.fields, **changed} if isinstance(self.fields, dict) else self.fields
        return replace(self, fields=fields)


@dataclass
class Drafts:
    """Records by topic."""

    topics: dict[str, list[Draft]] = field(default_factory=lambda: {name: [] for name in TOPICS})

    def __getitem__(self, topic: str) -> list[Draft]:
        return self.topics[topic]

    def state(self, program: str, key: str) -> Any:
        """The fields of the record of a changelog whose key begins so: to be changed."""
        (found,) = [d for d in self[f"{program}-state-changelog"] if d.key.startswith(key)]
        assert isinstance(found.fields, dict)
        return next(value for value in found.fields.values() if isinstance(value, dict))

    def raw(self) -> dict[str, list[Raw]]:
        topics: dict[str, list[Raw]] = {}
        for topic, drafts in self.topics.items():
            records = topics[topic] = []
            ends = dict.fromkeys(range(PARTITIONS), 0)
            for draft in drafts:
                offset = ends[draft.partition]
                ends[draft.partition] += 1
                value = encode(topic, draft.fields)
                key = draft.key.encode()
                at = draft.partition, offset, draft.timestamp_ms
                records.append(Raw(*at, key, value, draft.headers))
        return topics

    def differences(self, rules: Rules = RULES) -> list[str]:
        return differences(self.raw(), rules)


def encode(topic: str, fields: dict[str, Any] | bytes | None) -> bytes | None:
    if not isinstance(fields, dict):
        return fields
    out = BytesIO()
    out.write(struct.pack(">bI", 0, SCHEMA_IDS[topic]))
    given = dict(fields)
    if given.get("open"):
        order = encode("paper-orders", given["open"]["order"])
        given["open"] = {**given["open"], "order": order}
    fastavro.schemaless_writer(out, SCHEMAS.schema(SCHEMA_IDS[topic]), given)
    return out.getvalue()


def price(offset: int) -> Decimal:
    return Decimal(100 + offset)


def at(offset: int) -> datetime:
    return START + timedelta(seconds=offset)


def signal(offset: int, kind: str, quantity: int, *brokers: str) -> Draft:
    fields = {
        "strategy_id": STRATEGY,
        "strategy_type": "rules_rsi",
        "strategy_version": 1,
        "model_digest": None,
        "instrument_token": TOKEN,
        "brokers": list(brokers),
        "tick_topic_id": TOPIC_ID,
        "tick_partition": HOME,
        "tick_offset": offset,
        "signal_id": signal_id(STRATEGY, TOKEN, TOPIC_ID, HOME, offset),
        "signal_type": kind,
        "confidence": 0.9,
        "quantity": quantity,
        "price": price(offset),
        "reasoning": None,
        "event_time": at(offset),
        "tick_price": price(offset),
    }
    return Draft(str(TOKEN), fields)


def decision(executions: int | None = None) -> dict[str, Any]:
    """What risk knew, with so many executions; what the router or the venue knew, without."""
    return {
        "decided_at": WRITTEN_AT,
        "control_offset": 0,
        "executions_offset": executions,
        "limits_version": None if executions is None else limits_version(RULES),
    }


def order(cause: Draft, executions: int = 0) -> Draft:
    (broker,) = cause["brokers"]
    names = (
        "strategy_id", "strategy_type", "instrument_token", "tick_topic_id", "tick_partition",
        "tick_offset", "signal_id", "quantity", "event_time",
    )  # fmt: skip
    fields = {
        **{name: cause[name] for name in names},
        "client_order_id": client_order_id(cause["signal_id"], broker),
        "account": broker,
        "broker": broker,
        "side": cause["signal_type"],
        "signal_price": cause["price"],
        "reference_price": cause["tick_price"],
        "decision": decision(executions),
    }
    return Draft(broker, fields, partition_of(broker.encode(), PARTITIONS))


def rejection(
    stage: str, cause: Draft, broker: str, code: str, reason: str, executions: int | None = None
) -> Draft:
    names = (
        "strategy_id", "strategy_type", "instrument_token", "tick_partition", "tick_offset",
        "signal_id", "event_time",
    )  # fmt: skip
    assert isinstance(cause.fields, dict)
    refused = cause.fields.get("client_order_id", cause["signal_id"])
    fields = {
        **{name: cause[name] for name in names},
        "rejection_id": rejection_id(stage.lower(), refused, broker),
        "stage": stage,
        "code": code,
        "reason": reason,
        "account": broker,
        "broker": broker,
        "decision": decision(executions),
    }
    return Draft(str(TOKEN), fields)


def report(cause: Draft, number: int, status: str, **changed: Any) -> Draft:
    names = (
        "client_order_id", "signal_id", "account", "broker", "strategy_id", "strategy_type",
        "instrument_token", "side", "quantity", "event_time",
    )  # fmt: skip
    fields = {
        **{name: cause[name] for name in names},
        "execution_id": f"{cause['client_order_id']}-{number}",
        "venue_order_id": f"PAPER-{cause['client_order_id']}",
        "status": status,
        "last_quantity": 0,
        "last_price": None,
        "cumulative_quantity": 0,
        "fees": None,
        "reason": None,
        "decision": decision(),
        **changed,
    }
    return Draft(str(TOKEN), fields)


def filled(cause: Draft) -> Draft:
    """The fill by the next tick."""
    following = cause["tick_offset"] + 1
    return report(
        cause,
        2,
        "FILLED",
        last_quantity=cause["quantity"],
        last_price=price(following),
        cumulative_quantity=cause["quantity"],
        event_time=at(following),
    )


def run() -> Drafts:
    """Six ticks and their signals.

    BUY 3 and SELL 2 are filled; HOLD is none; BUY 100 is rejected by risk and BUY 1 at an absent
    broker by the router; BUY 4 waits for a tick.
    """
    drafts = Drafts()
    buy, sell = signal(0, "BUY", 3, "paper"), signal(1, "SELL", 2, "paper")
    large, absent = signal(3, "BUY", 100, "paper"), signal(4, "BUY", 1, "zerodha")
    last = signal(5, "BUY", 4, "paper")
    for offset in range(6):
        fields = {
            "instrument_token": TOKEN,
            "event_time": at(offset),
            "last_price": price(offset),
            "last_traded_quantity": 1,
            "volume_traded": 0,
        }
        drafts["ticks"].append(Draft(str(TOKEN), fields))
    hold = signal(2, "HOLD", 0, "paper")
    drafts["signals"].extend([buy, sell, hold, large, absent, last])
    # When the third of them was judged, the first two had been filled.
    orders = [order(buy), order(sell), order(absent, 5), order(last, 5)]
    bought, sold, unavailable, waiting = orders
    drafts["orders"].extend(orders)
    for one in (bought, sold, waiting):
        drafts["paper-orders"].append(Draft(str(TOKEN), one.copy(decision=decision()).fields))
    reason = "position would become 101 (held 1), beyond the maximum of 10"
    missing = "broker 'zerodha' is not available here"
    drafts["rejections"].extend(
        [
            rejection("RISK", large, "paper", "POSITION_EXCEEDS_MAXIMUM", reason, 5),
            rejection("ROUTER", unavailable, "zerodha", "BROKER_UNAVAILABLE", missing),
        ]
    )
    rejected = report(unavailable, 1, "REJECTED", reason=missing, venue_order_id=None)
    accepted = [report(one, 1, "ACCEPTED") for one in (bought, sold, waiting)]
    drafts["executions"].extend([*accepted, filled(bought), filled(sold), rejected])
    drafts["activations"].append(Draft(STRATEGY, activation()))
    remember(drafts)
    return drafts


def activation(**parameters: Any) -> dict[str, Any]:
    return {
        "strategy_id": STRATEGY,
        "strategy_type": "rules_rsi",
        "strategy_version": 1,
        "configuration_digest": "",
        "configuration": json.dumps({"parameters": parameters}),
        "active": True,
        "reason": None,
        "tick_topic_id": TOPIC_ID,
        "tick_partition": HOME,
        "tick_offset": 0,
    }


def remember(drafts: Drafts) -> None:
    """Write what the states are by hand: position 3 - 2, and one order of 4 that waits."""
    orders = {one["client_order_id"]: one for one in drafts["orders"]}
    (waiting,) = [one for one in orders.values() if one["quantity"] == 4]
    traded = [s["signal_id"] for s in drafts["signals"] if s["signal_type"] != "HOLD"]
    name = waiting["client_order_id"]

    def write(program: str, partition: int, key: str, **fields: Any) -> None:
        drafts[f"{program}-state-changelog"].append(Draft(key, fields, partition))

    def seen(kind: str, ids: list[str]) -> dict[str, Any]:
        expires_us = WRITTEN_MS * 1_000 + DAY_US
        return {"kind": kind, "number": 0, "expires_us": expires_us, "ids": ids}

    ledger = {
        "strategy_id": STRATEGY,
        "instrument_token": TOKEN,
        "tick_topic_id": "",
        "tick_offset": -1,
        "positions": {"paper": 1},
    }
    working = {
        "client_order_id": name,
        "strategy_id": STRATEGY,
        "instrument_token": TOKEN,
        "account": "paper",
        "remaining": 4,
        "approved_us": WRITTEN_MS * 1_000,
        "is_acknowledged": True,
    }
    none = {"ledger": None, "order": None, "seen": None}
    write("risk", HOME, f"ledger|{STRATEGY}|{TOKEN}", **{**none, "ledger": ledger})
    write("risk", HOME, f"order|{name}", **{**none, "order": working})
    known = seen("signals", [*traded, *orders])
    write("risk", HOME, "seen|signals|0", **{**none, "seen": known})
    booked = seen("executions", [one["execution_id"] for one in drafts["executions"]])
    write("risk", HOME, "seen|executions|0", **{**none, "seen": booked})

    route = {"account": "", "strategy_id": "", "instrument_token": 0, "tick_topic_id": ""}
    for account in ("paper", "zerodha"):
        ids = [n for n, one in orders.items() if one["account"] == account]
        partition = partition_of(account.encode(), PARTITIONS)
        routed = {**route, "tick_offset": -1, "seen": seen("orders", ids)}
        write("router", partition, "seen|orders|0", **routed)

    opened = {
        "order": waiting.copy(decision=decision()).fields,
        "filled": 0,
        "events": 1,
        "notional_raw": "0",
    }
    nothing = {"open": None, "route": None, "seen": None}
    write("paper", HOME, f"order|{name}", **{**nothing, "open": opened})
    taken = seen("orders", [one["client_order_id"] for one in drafts["paper-orders"]])
    write("paper", HOME, "seen|orders|0", **{**nothing, "seen": taken})
    cover(drafts)


def letter(topic: str, partition: int, offset: int) -> Draft:
    """The dead letter of ``no signal``."""
    headers = (
        ("panda.dlq.topic", topic.encode()),
        ("panda.dlq.partition", b"%d" % partition),
        ("panda.dlq.offset", b"%d" % offset),
    )
    return Draft(str(TOKEN), b"no signal", 0, headers=headers)


def cover(drafts: Drafts) -> None:
    """Let the checkpoints cover all records."""
    for program, topics in INPUTS.items():
        for partition in range(PARTITIONS):
            positions = {}
            for topic in topics:
                end = sum(d.partition == partition for d in drafts[topic])
                positions[f"test-{topic}"] = {"id": "", "next_offset": end, "horizon": end}
            text = json.dumps({"topics": positions}).encode()
            drafts[f"{program}-state-changelog"].append(Draft("\x00checkpoint", text, partition))
