"""What was known at each decision: the cut that the record of the decision states.

A cut says how far ``control`` and ``executions`` had been applied, under which limits, and at what
time. From one decision of a partition to the next it only rises, and it is never more than two
seconds old.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import NamedTuple

from tests.oracle.ids import rejection_id
from tests.oracle.records import Raw, Record, UnreadableError
from tests.oracle.rules import CHECKPOINT, Rules
from tests.oracle.world import World

EVERYBODY = "*"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Cut(NamedTuple):
    """What a record states about the moment of its decision."""

    at_us: int
    control: int | None
    executions: int | None
    limits: str | None


class _Written(NamedTuple):
    """A record of an input of decisions."""

    offset: int
    readable_ms: int
    """It could be read then, at the latest."""


class Decided(NamedTuple):
    """A record that says what became of its cause."""

    cause: Record
    record: Record


def cut_of(record: Record) -> Cut | None:
    """Return the cut, or None if the record states none."""
    decision = record.fields.get("decision")
    if decision is None:
        return None
    return Cut(
        micros(decision["decided_at"]),
        decision["control_offset"],
        decision["executions_offset"],
        decision["limits_version"],
    )


def micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


class TradingStates:
    """The state of accounts behind each record of ``control``."""

    def __init__(self, world: World) -> None:
        self._offsets: list[int] = []
        self._states: list[dict[str, str]] = [{}]
        """Before the first record, and behind each one."""
        for offset, account, state in sorted(_event(world, raw) for raw in world.topics["control"]):
            changed = {account: state} if account else {}
            self._offsets.append(offset)
            self._states.append({**self._states[-1], **changed})
        self._known_ms: list[int] = []
        self._known_at = [0]
        oldest_ms = world.rules.oldest_cut_ms
        if oldest_ms is not None:
            latest_ms = 0
            for raw in sorted(world.topics["control"], key=_offset):
                latest_ms = max(
                    latest_ms, raw.timestamp_ms + world.rules.longest_way_ms + oldest_ms
                )
                self._known_ms.append(latest_ms)
                self._known_at.append(raw.offset + 1)

    def at(self, account: str, offset: int | None) -> str:
        """Return the state when all records below ``offset`` were applied; None: all are halted."""
        return "HALTED" if offset is None else self._state(account, self._place(offset))

    def is_ever_halted(self, account: str, first: int | None, last: int | None) -> bool:
        """Return whether the account is halted anywhere from one offset to another, or unknown.

        ``last`` None is the end of the topic.
        """
        if first is None:
            return True
        end = len(self._offsets) if last is None else self._place(last)
        places = range(self._place(first), end + 1)
        return any(self._state(account, place) == "HALTED" for place in places)

    def surely_known_at(self, moment_ms: int) -> int:
        """Return up to which offset every decision from then on knows the records."""
        return self._known_at[bisect_right(self._known_ms, moment_ms)]

    def _place(self, offset: int) -> int:
        return bisect_left(self._offsets, offset)

    def _state(self, account: str, place: int) -> str:
        states = self._states[place]
        return max(states.get(account, "ACTIVE"), states.get(EVERYBODY, "ACTIVE"), key=_strictness)


def cut_differences(world: World) -> Iterator[str]:
    """Check that every record states a cut, that it rises, and that it is not old."""
    way_ms = world.rules.longest_way_ms
    control = _Known(_Written(r.offset, r.timestamp_ms + way_ms) for r in world.topics["control"])
    for decided in _by_partition(risk_verdicts(world)):
        partition = decided[0].cause.raw.partition
        executions = _Known(_readable_executions(world, partition))
        yield from _rising(decided)
        for one in decided:
            yield from _moment(one)
            yield from _limits(world.rules, one.record)
            yield from _age(world.rules, one.record, "control", control)
            yield from _age(world.rules, one.record, "executions", executions)
    for decided in chain(_by_partition(routed(world)), _by_partition(reported(world))):
        yield from _rising(decided)
        for one in decided:
            yield from _moment(one)
            yield from _age(world.rules, one.record, "control", control)


def risk_verdicts(world: World) -> Iterator[Decided]:
    """Yield the orders and rejections by risk, with their signals."""
    for name, due in world.due.items():
        refused = rejection_id("risk", due.signal.fields["signal_id"], due.account)
        for record in (world.orders.get(name), world.rejections.get(refused)):
            if record is not None:
                yield Decided(due.signal, record)


def routed(world: World) -> Iterator[Decided]:
    """Yield the paper orders and rejections by the router, with their orders."""
    for name, order in world.orders.items():
        refused = rejection_id("router", name, order.fields["account"])
        for record in (world.paper_orders.get(name), world.rejections.get(refused)):
            if record is not None:
                yield Decided(order, record)


def reported(world: World) -> Iterator[Decided]:
    """Yield the reports of the paper venue, with their paper orders."""
    for name, paper in world.paper_orders.items():
        for report in world.reports.get(name, ()):
            yield Decided(paper, report)


def limits_version(rules: Rules) -> str:
    """Hex of BLAKE2b-32 over the limits, joined by ``|``."""
    text = "|".join(
        [
            str(rules.max_quantity),
            str(int(rules.max_notional * 10**8)),
            str(rules.max_position),
            str(rules.time_to_live_ms * 1_000),
            *sorted(rules.past_brokers),
        ]
    )
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _by_partition(decided: Iterable[Decided]) -> Iterator[list[Decided]]:
    """Yield those of each partition, in the order in which they were decided.

    Risk and the router decide in the order of causes, the paper venue in that of its reports.
    """
    found: dict[int, list[Decided]] = {}
    for one in decided:
        found.setdefault(one.cause.raw.partition, []).append(one)
    for some in found.values():
        yield sorted(some, key=_order)


def _order(one: Decided) -> int:
    of_venue = one.record.topic == "executions"
    return one.record.raw.offset if of_venue else one.cause.raw.offset


def _rising(decided: Iterable[Decided]) -> Iterator[str]:
    highest = Cut(0, 0, 0, None)
    for one in decided:
        cut = cut_of(one.record)
        if cut is None:
            yield f"{one.record.where}: it does not state what was known at the decision"
            continue
        if cut.at_us < highest.at_us:
            yield f"{one.record.where}: it was decided before an earlier record was"
        for name in ("control", "executions"):
            reached, before = getattr(cut, name), getattr(highest, name)
            if reached is not None and reached < before:
                yield f"{one.record.where}: {name} is applied to {reached}, before to {before}"
        highest = Cut(*map(_highest, highest[:3], cut[:3]), None)


def _moment(one: Decided) -> Iterator[str]:
    """A decision is no earlier than its cause was written, no later than its own record."""
    cut = cut_of(one.record)
    if cut is None:
        return
    first_us, last_us = (
        one.cause.raw.timestamp_ms * 1_000,
        (one.record.raw.timestamp_ms + 1) * 1_000,
    )
    if not first_us <= cut.at_us <= last_us:
        yield (
            f"{one.record.where}: it was decided at {cut.at_us} us, its cause was written at"
            f" {first_us} us, it itself at {last_us} us"
        )


def _limits(rules: Rules, record: Record) -> Iterator[str]:
    cut, expected = cut_of(record), limits_version(rules)
    if cut is not None and cut.limits != expected:
        yield f"{record.where}: limits_version is {cut.limits}, expected {expected}"


def _age(rules: Rules, record: Record, name: str, known: "_Known") -> Iterator[str]:
    """Nothing that could be read long before a decision is beyond its cut."""
    cut = cut_of(record)
    reached = None if cut is None else getattr(cut, name)
    if cut is None or reached is None or rules.oldest_cut_ms is None:
        return
    beyond = known.first_beyond(reached)
    if beyond is None:
        return
    age_ms = cut.at_us // 1_000 - beyond.readable_ms
    if age_ms > rules.oldest_cut_ms:
        yield (
            f"{record.where}: {name} offset {beyond.offset} could be read {age_ms} ms before the"
            f" decision, which knew only offsets below {reached}"
        )


class _Known:
    """The records of an input, by offset."""

    def __init__(self, written: Iterable[_Written]) -> None:
        self._written = sorted(written)
        self._first: list[_Written] = []
        """For each record, the one that could be read first of it and all behind it."""
        for one in reversed(self._written):
            following = self._first[-1:]
            self._first.append(min([*following, one], key=lambda written: written.readable_ms))
        self._first.reverse()

    def first_beyond(self, offset: int) -> _Written | None:
        """Return which of the records from ``offset`` on could be read first."""
        place = bisect_left(self._written, (offset,))
        return self._first[place] if place < len(self._first) else None


def _readable_executions(world: World, partition: int) -> list[_Written]:
    """Return the executions of a partition, and when each could be read at the latest.

    An execution is committed together with a checkpoint of the program that wrote it. The broker
    answers a commit before its records are readable; but the next transaction of the same program
    cannot end before they are. So the third checkpoint after the record was written is later.

    Readers wait for every transaction that began at a lower offset: the routers of all accounts
    and the paper venue write here. A worker that is killed leaves its transaction open until its
    successor has started, and checkpoints.
    """
    writers = [
        *_checkpoints(world, "router-state-changelog").values(),
        _checkpoints(world, "paper-state-changelog").get(partition, []),
    ]
    found: list[_Written] = []
    for report in world.executions.values():
        if report.raw.partition != partition:
            continue
        following = [times[bisect_right(times, report.raw.timestamp_ms) :] for times in writers]
        ended = [times[2] if len(times) > 2 else None for times in following if times]
        known = [moment for moment in ended if moment is not None]
        if known and len(known) == len(ended):
            found.append(_Written(report.raw.offset, max(known)))
    return found


def _checkpoints(world: World, changelog: str) -> dict[int, list[int]]:
    """Return the times of the checkpoints of each partition."""
    times: dict[int, list[int]] = {}
    for raw in world.topics[changelog]:
        if raw.key == CHECKPOINT:
            times.setdefault(raw.partition, []).append(raw.timestamp_ms)
    return {partition: sorted(some) for partition, some in times.items()}


def _event(world: World, raw: Raw) -> tuple[int, str, str]:
    """Return offset, account and state; no account if there is no value."""
    if raw.value is None:
        return raw.offset, "", ""
    try:
        fields = world.schemas.read(raw.value)
    except UnreadableError:  # it may be an order to stop
        return raw.offset, EVERYBODY, "HALTED"
    return raw.offset, fields["account"], fields["state"]


def _offset(raw: Raw) -> int:
    return raw.offset


def _strictness(state: str) -> int:
    return ("ACTIVE", "REDUCING", "HALTED").index(state)


def _highest(one: int | None, other: int | None) -> int:
    return max(one or 0, other or 0)
