"""What the topics say, record by record: who is answered by what."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.oracle.ids import client_order_id, partition_of
from tests.oracle.records import Raw, Record, Schemas, Topics, UnreadableError
from tests.oracle.rules import INPUTS, Rules

ID_FIELDS = {
    "signals": "signal_id",
    "orders": "client_order_id",
    "paper-orders": "client_order_id",
    "executions": "execution_id",
    "rejections": "rejection_id",
}
"""By which field a record of a topic is recognised."""

ENDS = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
"""Statuses after which nothing happens to an order."""


class Due(NamedTuple):
    """An order that a signal asks for: one per broker."""

    signal: Record
    broker: str
    account: str


@dataclass
class World:
    """The usable records of the topics, each once, in the order of their topics."""

    rules: Rules
    schemas: Schemas
    topics: Topics
    problems: list[str] = field(default_factory=list)
    """What is wrong with single records."""
    signals: dict[str, Record] = field(default_factory=dict)
    orders: dict[str, Record] = field(default_factory=dict)
    paper_orders: dict[str, Record] = field(default_factory=dict)
    executions: dict[str, Record] = field(default_factory=dict)
    rejections: dict[str, Record] = field(default_factory=dict)
    due: dict[str, Due] = field(default_factory=dict)
    """By client order id."""
    reports: dict[str, list[Record]] = field(default_factory=dict)
    """The executions of each order, in the order of their topic."""
    unusable: list[tuple[str, Raw]] = field(default_factory=list)
    """Records that their reader cannot use, with their topic."""
    position_limits: dict[tuple[str, int], int | None] = field(default_factory=dict)
    """The limit of each known strategy version; None: it has none of its own."""

    def ended(self, order_id: str) -> bool:
        return any(r.fields["status"] in ENDS for r in self.reports.get(order_id, ()))

    def filled(self, order_id: str) -> int:
        """Units filled, unsigned."""
        return sum(r.fields["last_quantity"] for r in self.reports.get(order_id, ()))

    def home(self, topic: str, key: str) -> int:
        """The partition of ``topic`` where ``key`` belongs."""
        return partition_of(key.encode(), self.rules.partitions[topic])


def read_world(topics: Topics, rules: Rules, schemas: Schemas) -> World:
    """Read the topics; what is wrong with single records is among its problems."""
    world = World(rules, schemas, topics)
    world.signals = _distinct(world, "signals", may_repeat=True)
    world.orders = _distinct(world, "orders")
    world.paper_orders = _distinct(world, "paper-orders")
    world.executions = _distinct(world, "executions")
    world.rejections = _distinct(world, "rejections", may_repeat=True)
    for record in world.executions.values():
        world.reports.setdefault(record.fields["client_order_id"], []).append(record)
    for signal in world.signals.values():
        if signal.fields["signal_type"] in ("BUY", "SELL"):
            for broker in dict.fromkeys(signal.fields["brokers"]):
                account = rules.account(broker)
                name = client_order_id(signal.fields["signal_id"], account)
                world.due[name] = Due(signal, broker, account)
    world.position_limits = _position_limits(world)
    world.problems.extend(_dead_letters(world))
    return world


def signed(side: str, units: int) -> int:
    return units if side == "BUY" else -units


def _distinct(world: World, topic: str, *, may_repeat: bool = False) -> dict[str, Record]:
    """Return the records by id, the first of each.

    The runner may send a record twice, with the same bytes. The other programs may not.
    """
    found: dict[str, Record] = {}
    for record in _usable(world, topic):
        name = record.fields[ID_FIELDS[topic]]
        first = found.setdefault(name, record)
        if first is record:
            continue
        is_runners = may_repeat and record.fields.get("stage", "RUNNER") == "RUNNER"
        if first.raw.value != record.raw.value:
            world.problems.append(f"{record.where}: {name} differs from that of {first.where}")
        elif not is_runners and not world.rules.may_repeat:
            world.problems.append(f"{record.where}: {name} was already in {first.where}")
    return found


def _usable(world: World, topic: str) -> Iterator[Record]:
    for raw in world.topics[topic]:
        try:
            fields = world.schemas.read(raw.value)
        except UnreadableError:
            world.unusable.append((topic, raw))
            continue
        is_by_account = topic == "orders"
        key = str(fields["account" if is_by_account else "instrument_token"]).encode()
        if raw.key != key:
            world.unusable.append((topic, raw))
            continue
        record = Record(topic, raw, fields)
        home = partition_of(key, world.rules.partitions[topic])
        if raw.partition != home:
            world.problems.append(f"{record.where}: key {key!r} belongs into partition {home}")
        yield record


def _position_limits(world: World) -> dict[tuple[str, int], int | None]:
    """Return the position limit of each strategy version that was ever active; the smallest one."""
    limits: dict[tuple[str, int], int | None] = {}
    for raw in world.topics["activations"]:
        fields = world.schemas.read(raw.value)
        text = fields.get("configuration")
        if text is not None:
            key = fields["strategy_id"], fields["strategy_version"]
            known = limits.get(key), json.loads(text)["parameters"].get("max_position_size")
            limits[key] = min((size for size in known if size is not None), default=None)
    return limits


def _dead_letters(world: World) -> Iterator[str]:
    """Every record that its reader cannot use has one dead letter, and there are no others."""
    read = {topic for topics in INPUTS.values() for topic in topics} - {"ticks"}
    expected = {(topic, r.partition, r.offset): r for topic, r in world.unusable if topic in read}
    for topic, raw in world.unusable:
        if topic not in read:
            yield f"{topic}[{raw.partition}] offset {raw.offset}: the record cannot be read"
    for topic in sorted(read):
        for letter in world.topics[f"{topic}.dlq"]:
            headers = dict(letter.headers)
            at = int(headers["panda.dlq.partition"] or -1), int(headers["panda.dlq.offset"] or -1)
            where = f"{topic}.dlq[{letter.partition}] offset {letter.offset}"
            if headers["panda.dlq.topic"] != (world.rules.prefix + topic).encode():
                yield f"{where}: it names topic {headers['panda.dlq.topic']!r}, expected {topic}"
                continue
            unusable = expected.pop((topic, *at), None)
            if unusable is None:
                yield f"{where}: {topic}[{at[0]}] offset {at[1]} is usable, or had a dead letter"
            elif (unusable.key, unusable.value) != (letter.key, letter.value):
                yield f"{where}: key and value are not those of {topic}[{at[0]}] offset {at[1]}"
    for topic, partition, offset in expected:
        yield f"{topic}[{partition}] offset {offset}: it is unusable and has no dead letter"
