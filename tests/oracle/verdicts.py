"""Every verdict of risk and the router, decided anew from what was known at its cut."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.oracle.cuts import Cut, TradingStates, cut_of, micros, risk_verdicts, routed
from tests.oracle.records import Record
from tests.oracle.rules import Rules
from tests.oracle.world import ENDS, World, signed

_REASON = re.compile(r"position would become (-?\d+) \(held (-?\d+)\)")
_REPORT_MS = 5 * 60 * 1_000
"""How long the first report of an order may be under way: then the order is working no more."""

Book = tuple[str, int, str]
"""Strategy, instrument and account."""


@dataclass
class _Working:
    """An approved order that may still be filled."""

    remaining: int
    """Signed."""
    approved_us: int
    is_reported: bool = False


@dataclass
class _Books:
    """What one partition holds, and may yet come to hold."""

    held: dict[Book, int] = field(default_factory=dict)
    working: dict[Book, dict[str, _Working]] = field(default_factory=dict)

    def book(self, report: Record) -> None:
        fields, book = report.fields, _book(report)
        units = signed(fields["side"], fields["last_quantity"])
        self.held[book] = self.held.get(book, 0) + units
        working = self.working.get(book, {})
        order = working.get(fields["client_order_id"])
        if order is None:
            return
        order.remaining -= units
        order.is_reported = True
        if fields["status"] in ENDS:
            del working[fields["client_order_id"]]

    def on_side(self, book: Book, sign: int, rules: Rules, now_us: int) -> int:
        """Return the units of working orders on one side, unsigned."""
        way_ms = max(rules.venue_limit_ms, rules.time_to_live_ms)
        lost_us = now_us - 1_000 * (rules.time_to_live_ms + way_ms + _REPORT_MS)
        return sum(
            abs(order.remaining)
            for order in self.working.get(book, {}).values()
            if order.remaining * sign > 0 and (order.is_reported or order.approved_us >= lost_us)
        )


def verdict_differences(world: World) -> Iterator[str]:
    """Compare each order, and each rejection by risk or the router, with what is expected."""
    states = TradingStates(world)
    yield from _risk(world, states)
    for order, record in routed(world):
        cut = cut_of(record)
        if cut is not None:
            expected = _routing(world, states, order, cut)
            yield from _compare(record, expected, record.fields.get("code"))


def _risk(world: World, states: TradingStates) -> Iterator[str]:
    partitions: dict[int, list[tuple[Record, Record]]] = {}
    for signal, record in risk_verdicts(world):
        partitions.setdefault(signal.raw.partition, []).append((signal, record))
    for partition, verdicts in partitions.items():
        verdicts.sort(key=_place)
        booked = [r for r in world.executions.values() if r.raw.partition == partition]
        booked.sort(key=lambda report: report.raw.offset)
        books, read = _Books(), 0
        for signal, record in verdicts:
            cut = cut_of(record)
            if cut is None:
                continue
            while read < len(booked) and booked[read].raw.offset < (cut.executions or 0):
                books.book(booked[read])
                read += 1
            yield from _judge(world, states, books, signal, record, cut)
            if record.topic == "orders":
                units = signed(record.fields["side"], record.fields["quantity"])
                orders = books.working.setdefault(_book(record), {})
                orders[record.fields["client_order_id"]] = _Working(units, cut.at_us)


def _judge(
    world: World,
    states: TradingStates,
    books: _Books,
    signal: Record,
    record: Record,
    cut: Cut,
) -> Iterator[str]:
    fields, rules, book = signal.fields, world.rules, _book(record)
    quantity, sign = fields["quantity"], signed(fields["signal_type"], 1)
    held = books.held.get(book, 0)
    worst = held + sign * (books.on_side(book, sign, rules, cut.at_us) + quantity)
    only_reduces = worst * held >= 0 and abs(worst) < abs(held)
    state = states.at(record.fields["account"], cut.control)
    expected: str | None = None
    if _is_old(rules, record.fields["broker"], signal, cut):
        expected = "EXPIRED"
    elif state == "HALTED" or (state == "REDUCING" and not only_reduces):
        expected = "TRADING_HALTED"
    else:
        # The limit of a strategy version that is not known is 0.
        own = world.position_limits.get((fields["strategy_id"], fields["strategy_version"]), 0)
        most = rules.max_position if own is None else min(own, rules.max_position)
        expected = _limit_of_one_order(rules, signal)
        if expected is None and abs(worst) > most and not only_reduces:
            expected = "POSITION_EXCEEDS_MAXIMUM"
    yield from _compare(record, expected, record.fields.get("code"))
    if expected == record.fields.get("code") == "POSITION_EXCEEDS_MAXIMUM":
        stated = _REASON.search(record.fields["reason"])
        found = None if stated is None else (int(stated[1]), int(stated[2]))
        if found != (worst, held):
            yield f"{record.where}: it states {found}, expected is position {worst}, held {held}"


def _routing(world: World, states: TradingStates, order: Record, cut: Cut) -> str | None:
    broker = order.fields["broker"]
    if _is_old(world.rules, broker, order, cut):
        return "EXPIRED"
    if states.at(order.fields["account"], cut.control) == "HALTED":
        return "TRADING_HALTED"
    return None if broker in world.rules.available_brokers else "BROKER_UNAVAILABLE"


def _compare(record: Record, expected: str | None, found: str | None) -> Iterator[str]:
    if found != expected:
        yield (
            f"{record.where}: {found or 'it passed'}, expected"
            f" {'that it passes' if expected is None else expected}"
        )


def _is_old(rules: Rules, broker: str, cause: Record, cut: Cut) -> bool:
    limit_us = rules.time_to_live_ms * 1_000
    happened_us, appended_us = micros(cause.fields["event_time"]), cause.raw.timestamp_ms * 1_000
    is_of_the_past = cut.at_us - happened_us > limit_us and broker not in rules.past_brokers
    return is_of_the_past or cut.at_us - appended_us > limit_us


def _limit_of_one_order(rules: Rules, signal: Record) -> str | None:
    quantity = signal.fields["quantity"]
    notional = quantity * signal.fields["price"]
    if quantity <= 0:
        return "INVALID_QUANTITY"
    if quantity > rules.max_quantity:
        return "QUANTITY_EXCEEDS_MAXIMUM"
    if notional <= 0:
        return "INVALID_NOTIONAL"
    return "NOTIONAL_EXCEEDS_MAXIMUM" if notional > rules.max_notional else None


def _book(record: Record) -> Book:
    fields = record.fields
    return fields["strategy_id"], fields["instrument_token"], fields["account"]


def _place(verdict: tuple[Record, Record]) -> tuple[int, int]:
    """Verdicts of one signal come in the order of its brokers."""
    signal, record = verdict
    brokers = list(signal.fields["brokers"])
    return signal.raw.offset, brokers.index(record.fields["broker"])
