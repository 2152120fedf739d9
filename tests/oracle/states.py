"""The final states in the changelogs, against sums over the topics."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.oracle.records import Record, UnreadableError, differing
from tests.oracle.rules import CHECKPOINT, INPUTS
from tests.oracle.world import World, signed

_IDS_PER_SEGMENT = 128

Wanted = dict[tuple[int, str], dict[str, Any]]
"""Expected fields by partition and key."""


class Seen(NamedTuple):
    """An id that has to be remembered."""

    partition: int
    kind: str
    name: str
    at_ms: int
    """It was processed no earlier."""


def state_differences(world: World) -> Iterator[str]:
    """Compare the states of risk, router and paper venue."""
    yield from _Changelog(world, "risk").compare(_risk_records(world), list(_risk_seen(world)))
    yield from _Changelog(world, "router").compare({}, list(_router_seen(world)))
    yield from _Changelog(world, "paper").compare(_paper_records(world), list(_paper_seen(world)))


# What is expected


def _risk_records(world: World) -> Wanted:
    wanted: Wanted = {}

    def ledger(record: Record) -> dict[str, Any]:
        strategy, token = record.fields["strategy_id"], record.fields["instrument_token"]
        key = world.home("signals", str(token)), f"ledger|{strategy}|{token}"
        empty = {"tick_topic_id": "", "tick_offset": -1, "positions": {}}
        named = {"strategy_id": strategy, "instrument_token": token, **empty}
        return wanted.setdefault(key, {"ledger": named})["ledger"]  # type: ignore[no-any-return]

    for due in world.due.values():
        ledger(due.signal)
    for report in world.executions.values():
        fields, positions = report.fields, ledger(report)["positions"]
        units = signed(fields["side"], fields["last_quantity"])
        if units:
            positions[fields["account"]] = positions.get(fields["account"], 0) + units
    for name, order in world.orders.items():
        if world.ended(name):
            continue
        fields = order.fields
        home = world.home("signals", str(fields["instrument_token"]))
        wanted[home, f"order|{name}"] = {
            "order": {
                "client_order_id": name,
                "strategy_id": fields["strategy_id"],
                "instrument_token": fields["instrument_token"],
                "account": fields["account"],
                "remaining": signed(fields["side"], fields["quantity"] - world.filled(name)),
                "is_acknowledged": name in world.reports,
            }
        }
    return wanted


def _risk_seen(world: World) -> Iterator[Seen]:
    signals = {due.signal.fields["signal_id"]: due.signal for due in world.due.values()}
    for name, signal in signals.items():
        home = world.home("signals", str(signal.fields["instrument_token"]))
        yield Seen(home, "signals", name, signal.raw.timestamp_ms)
    for name, order in world.orders.items():
        home = world.home("signals", str(order.fields["instrument_token"]))
        due = world.due.get(name)
        known = order if due is None else due.signal
        yield Seen(home, "signals", name, known.raw.timestamp_ms)
    for name, report in world.executions.items():
        home = world.home("executions", str(report.fields["instrument_token"]))
        yield Seen(home, "executions", name, report.raw.timestamp_ms)


def _router_seen(world: World) -> Iterator[Seen]:
    for name, order in world.orders.items():
        home = world.home("orders", order.fields["account"])
        yield Seen(home, "orders", name, order.raw.timestamp_ms)


def _paper_records(world: World) -> Wanted:
    wanted: Wanted = {}
    for name, paper in world.paper_orders.items():
        reports = world.reports.get(name, [])
        if not reports or world.ended(name):
            continue
        fills = [r.fields for r in reports if r.fields["last_quantity"]]
        notional = sum(f["last_quantity"] * f["last_price"] for f in fills)
        wanted[paper.raw.partition, f"order|{name}"] = {
            "open": {
                "order": paper.fields,
                "filled": world.filled(name),
                "events": len(reports),
                "notional_raw": str(int(notional * 10**8)),
            }
        }
    return wanted


def _paper_seen(world: World) -> Iterator[Seen]:
    for name, paper in world.paper_orders.items():
        # The venue rejects an order of a tick in another partition, and does not remember it.
        if paper.fields["tick_partition"] == paper.raw.partition:
            yield Seen(paper.raw.partition, "orders", name, paper.raw.timestamp_ms)


# What is found


class _Changelog:
    """The last value of every key of a changelog, by partition."""

    def __init__(self, world: World, program: str) -> None:
        self._world = world
        self._program = program
        self._topic = f"{program}-state-changelog"
        self._newest_ms = max((r.timestamp_ms for r in world.topics[self._topic]), default=0)
        self._state: dict[tuple[int, bytes], bytes] = {}
        for raw in world.topics[self._topic]:
            key = raw.partition, raw.key or b""
            if raw.value is None:
                self._state.pop(key, None)
            else:
                self._state[key] = raw.value

    def compare(self, wanted: Wanted, seen: list[Seen]) -> Iterator[str]:
        checkpoints: dict[int, bytes] = {}
        segments: dict[int, list[dict[str, Any]]] = defaultdict(list)
        records: Wanted = {}
        for (partition, key), value in self._state.items():
            if key == CHECKPOINT:
                checkpoints[partition] = value
                continue
            name = key.decode()
            try:
                fields = self._fields(value)
            except UnreadableError as error:
                yield f"{self._at(partition, name)}: it cannot be read: {error}"
                continue
            if not name.startswith("seen|"):
                records[partition, name] = fields
                continue
            segment = fields["seen"]
            if name != f"seen|{segment['kind']}|{segment['number']}":
                yield f"{self._at(partition, name)}: it is not the key of its ids"
            segments[partition].append(segment)
        yield from self._positions(checkpoints)
        yield from self._records(records, wanted)
        yield from self._seen(segments, seen)

    def _fields(self, value: bytes) -> dict[str, Any]:
        """Return the fields that are set; an open order with its order read, too."""
        fields = {n: v for n, v in self._world.schemas.read(value).items() if v is not None}
        if "open" in fields:
            opened = fields["open"]
            fields["open"] = {**opened, "order": self._world.schemas.read(opened["order"])}
        return fields

    def _positions(self, checkpoints: Mapping[int, bytes]) -> Iterator[str]:
        """Everything that was read is covered: else the state is not the final one."""
        for topic in INPUTS[self._program]:
            ends: dict[int, int] = {}
            for raw in self._world.topics[topic]:
                ends[raw.partition] = max(raw.offset, ends.get(raw.partition, -1))
            for partition, last in sorted(ends.items()):
                text = checkpoints.get(partition, b'{"topics": {}}')
                if partition not in checkpoints and topic == "ticks":
                    continue  # the paper venue starts at the end of ticks: it has read nothing
                positions = json.loads(text)["topics"].get(self._world.rules.prefix + topic, {})
                following = positions.get("next_offset", 0)
                if following <= last:
                    yield (
                        f"{self._at(partition, 'checkpoint')}: next offset of {topic} is"
                        f" {following}, its last record has offset {last}"
                    )

    def _records(self, found: Wanted, wanted: Wanted) -> Iterator[str]:
        for (partition, name), expected in wanted.items():
            fields = found.get((partition, name))
            at = self._at(partition, name)
            if fields is None:
                yield f"{at}: there is no record, expected {expected}"
                continue
            for part, inner in expected.items():
                wrong = differing(fields.get(part) or {}, inner)
                if wrong:
                    yield f"{at}: {wrong}"
        for partition, name in found:
            if (partition, name) not in wanted:
                yield f"{self._at(partition, name)}: no such record is expected"

    def _seen(
        self, segments: Mapping[int, list[dict[str, Any]]], seen: list[Seen]
    ) -> Iterator[str]:
        found: dict[tuple[int, str, str], int] = {}
        for partition, some in segments.items():
            for segment in some:
                at = self._at(partition, f"seen|{segment['kind']}|{segment['number']}")
                if len(segment["ids"]) > _IDS_PER_SEGMENT:
                    yield f"{at}: it has {len(segment['ids'])} ids, expected {_IDS_PER_SEGMENT}"
                for one in segment["ids"]:
                    if (partition, segment["kind"], one) in found:
                        yield f"{at}: id {one} is there twice"
                    found[partition, segment["kind"], one] = segment["expires_us"]
        for one in seen:
            yield from self._remembered(one, found.pop((one.partition, one.kind, one.name), None))
        for partition, kind, name in found:
            yield f"{self._at(partition, f'seen|{kind}')}: id {name} is not expected"

    def _remembered(self, one: Seen, expires_us: int | None) -> Iterator[str]:
        memory_ms = self._world.rules.id_memory_ms
        at = self._at(one.partition, f"seen|{one.kind}")
        if expires_us is None:
            if self._newest_ms - one.at_ms < memory_ms:
                yield f"{at}: id {one.name} is missing"
        elif expires_us < (one.at_ms + memory_ms) * 1_000:
            yield (
                f"{at}: id {one.name} is forgotten at {expires_us} us; it was processed at"
                f" {one.at_ms} ms or later, and is kept for {memory_ms} ms"
            )

    def _at(self, partition: int, key: str) -> str:
        return f"{self._topic}[{partition}] key {key}"
