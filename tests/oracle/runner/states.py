"""The state of every instrument in the runner's changelog, against that of the pass."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from algo_panda.domain.market import MarketTick
from tests.oracle.records import Schemas, Topics, UnreadableError, differing
from tests.oracle.runner.instrument import Instrument
from tests.oracle.runner.passing import Expected
from tests.oracle.runner.rules import RunnerRules
from tests.oracle.runner.strategy import Strategy
from tests.oracle.runner.versions import Versions, configuration_of, digest_of

TOPIC = "runner-state-changelog"
_CHECKPOINT = b"\x00checkpoint"
_STRATEGIES = b"\x00strategies"


def state_differences(
    topics: Topics, rules: RunnerRules, schemas: Schemas, versions: Versions, expected: Expected
) -> Iterator[str]:
    """Compare the last value of every key of every partition."""
    found: dict[tuple[int, bytes], bytes] = {}
    for raw in topics[TOPIC]:
        at = raw.partition, raw.key or b""
        if raw.value is None:
            found.pop(at, None)
        else:
            found[at] = raw.value
    for partition in range(rules.partitions["ticks"]):
        given = found.pop((partition, _STRATEGIES), b"[]")
        yield from _running(partition, given, versions)
        given = found.pop((partition, _CHECKPOINT), b'{"topics": {}}')
        yield from _position(partition, given, topics, rules)
    for (partition, token), instrument in expected.instruments.items():
        if not instrument.is_known:
            continue
        at = f"{TOPIC}[{partition}] key {token}"
        value = found.pop((partition, b"%d" % token), None)
        if value is None:
            yield f"{at}: there is no record, expected one up to offset {instrument.last_offset}"
            continue
        try:
            fields = schemas.read(value)
        except UnreadableError as error:
            yield f"{at}: it cannot be read: {error}"
            continue
        yield from _compare(at, fields, token, instrument)
    for partition, key in found:
        yield f"{TOPIC}[{partition}] key {key!r}: no such record is expected"


def _running(partition: int, value: bytes, versions: Versions) -> Iterator[str]:
    """The recorded versions are those that ``activations`` leave active."""
    found = {row["id"]: row for row in json.loads(value)}
    active = {name: configuration_of(row) for name, row in versions.active(partition).items()}
    for name in found.keys() | active.keys():
        if found.get(name) != active.get(name):
            yield (
                f"{TOPIC}[{partition}] strategies: {name} is {found.get(name)},"
                f" by the activations {active.get(name)}"
            )


def _position(partition: int, value: bytes, topics: Topics, rules: RunnerRules) -> Iterator[str]:
    """Everything that was read is covered: else the state is not the final one."""
    last = max((raw.offset for raw in topics["ticks"] if raw.partition == partition), default=-1)
    entry = json.loads(value)["topics"].get(f"{rules.prefix}ticks", {})
    following = entry.get("next_offset", 0)
    if following <= last:
        yield (
            f"{TOPIC}[{partition}] checkpoint: next offset of ticks is {following}, its last"
            f" record has offset {last}"
        )


def _compare(
    at: str, fields: Mapping[str, Any], token: int, instrument: Instrument
) -> Iterator[str]:
    before = instrument.before
    wanted = {
        "instrument_token": token,
        "last_offset": instrument.last_offset,
        "history": [_past(tick) for tick in instrument.history],
        "last_tick": [] if before is None else [_past(before)],
        "newest_event_time": instrument.newest_us,
    }
    if wrong := differing(fields, wanted):
        yield f"{at}: {wrong}"
    states = {state["strategy_id"]: state for state in fields["strategies"]}
    for name, strategy in instrument.strategies.items():
        state = states.pop(name, None)
        if state is None:
            yield f"{at}: strategy {name} has no state"
        else:
            yield from _strategy(f"{at}, strategy {name}", state, strategy)
    for name in states:
        yield f"{at}: no state of strategy {name} is expected"


def _strategy(at: str, state: Mapping[str, Any], strategy: Strategy) -> Iterator[str]:
    quarantine = strategy.quarantine
    marks = [] if quarantine else [mark._asdict() for mark in strategy.marks]
    wanted = {
        "version": strategy.config.version,
        "digest": digest_of(strategy.config),
        "ticks_seen": strategy.seen,
        "failures": strategy.failures,
        "bars": strategy.bars,
        "processor": strategy.snapshot(),
        "marks": marks,
        "cold_since": None,
    }
    if wrong := differing(state, wanted):
        yield f"{at}: {wrong}"
    reason = state["quarantine_reason"]
    if (reason is None) != (quarantine is None):
        expected = "none" if quarantine is None else " and ".join(quarantine.named)
        yield f"{at}: quarantine_reason is {reason!r}, expected {expected}"
    elif quarantine is not None:
        for part in quarantine.named:
            if part not in reason:
                yield f"{at}: quarantine_reason is {reason!r}, expected it to name {part!r}"


def _past(tick: MarketTick) -> dict[str, int]:
    return {
        "event_time": tick.event_time_us,
        "price": tick.price_raw,
        "last_traded_quantity": tick.last_traded_quantity,
        "volume_traded": tick.volume_traded,
        "received_time": tick.received_time_us,
    }
