"""Fills by the settings of the paper venue: parts, spread, slippage, latency, fees, expiry.

Written from ``docs/backtesting.md`` and ADR 14, in fractions, one order and one tick at a time.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import yaml

from tests.oracle.cuts import TradingStates, cut_of
from tests.oracle.records import Raw, Record, UnreadableError, differing
from tests.oracle.rules import FillRules
from tests.oracle.world import World

PRESETS = Path(__file__).parents[2] / "app" / "algo_panda" / "brokers" / "paper" / "presets"
_UNITS = 10**8
"""A price has eight decimal places."""


def read_charges(name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the charges of a preset or a file; numbers as text."""
    preset = PRESETS / f"{name}.yaml"
    text = (preset if preset.is_file() else Path(name)).read_text("utf-8")
    charges: Mapping[str, Mapping[str, Any]] = yaml.load(text, yaml.BaseLoader)["charges"]
    return charges


def fill_differences(world: World) -> Iterator[str]:
    """Each accepted paper order has exactly the fills and the end that the ticks behind it give.

    While the account is HALTED, ticks pass without filling: a tick may only have passed if the
    account was halted at some offset of ``control`` between what was known at the tick and the cut
    of the report after. One that ends the order may not.
    """
    ticks, states = _Ticks(world), TradingStates(world)
    for name, paper in world.paper_orders.items():
        reports = world.reports.get(name, [])
        if reports and reports[0].fields["status"] == "ACCEPTED":
            order = _Order(world.rules.fills, world.rules.paper_expire_us, paper.fields)
            yield from _compare(order, paper, reports, ticks.behind(paper), states)


def _compare(
    order: "_Order",
    paper: Record,
    reports: Sequence[Record],
    ticks: Iterable[tuple[int, Mapping[str, Any]]],
    states: TradingStates,
) -> Iterator[str]:
    account, number = paper.fields["account"], 1
    for written_ms, tick in ticks:
        expected = order.outcome(tick)
        if expected is None:
            continue
        report = reports[number] if number < len(reports) else None
        wrong = None if report is None else differing(report.fields, expected)
        if wrong != "" and expected["status"] != "EXPIRED":
            since = _known_at(reports[number - 1], written_ms, states)
            until = None if report is None else _control(report)
            if states.is_ever_halted(account, since, until):
                continue
        if report is None:
            yield f"{paper.where}: a report of the order is missing, expected {expected}"
            return
        if wrong:
            yield f"{report.where}: {wrong}"
            return
        is_fill = expected["last_quantity"] > 0
        if is_fill and states.at(account, _control(report)) == "HALTED":
            yield f"{report.where}: a fill while account {account} is HALTED"
        number += 1
        if order.take(expected):
            break
    for report in reports[number:]:
        yield f"{report.where}: no tick has this outcome for its order"


def _known_at(before: Record, written_ms: int, states: TradingStates) -> int | None:
    """Return how far ``control`` was applied at least when a tick of that time was processed."""
    reached = _control(before)
    return None if reached is None else max(reached, states.surely_known_at(written_ms))


def _control(report: Record) -> int | None:
    """Return how far ``control`` was applied; 0 if the report does not say, which is reported."""
    cut = cut_of(report)
    return 0 if cut is None else cut.control


class _Order:
    """A paper order, and how much of it was filled at what cost."""

    def __init__(self, rules: FillRules, expire_us: int, order: Mapping[str, Any]) -> None:
        self._rules = rules
        self._order = order
        self._caused: datetime = order["event_time"]
        self._expiry = self._caused + timedelta(microseconds=expire_us)
        extra = floor(self._random(0) * (rules.jitter_us + 1))
        self._arrival = self._caused + timedelta(microseconds=rules.latency_us + extra)
        self._filled = 0
        self._notional = Fraction(0)
        self._reports = 1

    def outcome(self, tick: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the next report is if ``tick`` comes; None if it does nothing."""
        happened, price = tick["event_time"], tick["last_price"]
        if happened < self._arrival:
            return None
        if (happened, price) == (self._caused, self._order["reference_price"]):
            return None
        if happened > self._expiry:
            return self._report("EXPIRED", happened, 0, None)
        quantity = self._quantity(tick["last_traded_quantity"])
        if quantity == 0:
            return None
        is_whole = self._filled + quantity == self._order["quantity"]
        status = "FILLED" if is_whole else "PARTIALLY_FILLED"
        return self._report(status, happened, quantity, self._price(Fraction(price)))

    def take(self, report: Mapping[str, Any]) -> bool:
        """Note a report; whether it was the last one."""
        self._reports += 1
        self._filled += report["last_quantity"]
        if report["last_price"] is not None:
            self._notional += report["last_quantity"] * Fraction(report["last_price"])
        return report["status"] != "PARTIALLY_FILLED"

    def _report(
        self, status: str, happened: datetime, quantity: int, price: Fraction | None
    ) -> dict[str, Any]:
        return {
            "status": status,
            "event_time": happened,
            "last_quantity": quantity,
            "last_price": None if price is None else _decimal(price),
            "cumulative_quantity": self._filled + quantity,
            "fees": None if price is None else self._fees(quantity * price),
        }

    def _quantity(self, traded: int) -> int:
        """One order takes a share of a tick's quantity, at least a unit; nothing of nothing."""
        left: int = self._order["quantity"] - self._filled
        limit = self._rules.volume_limit
        if limit is None:
            return left
        return min(left, max(1, floor(traded * Fraction(limit)))) if traded > 0 else 0

    def _price(self, price: Fraction) -> Fraction:
        """Half the spread and the slippage make it worse; then it is rounded against the order."""
        rules = self._rules
        worse = _rounded_up(self._share(rules.spread, price) / 2, Fraction(1, _UNITS))
        chance = Fraction(rules.slippage_probability)
        if chance >= 1 or self._random(self._reports + 1) < chance:
            worse += _rounded_up(self._share(rules.slippage, price), Fraction(1, _UNITS))
        if worse == 0:
            return price
        step = Fraction(1, _UNITS) if rules.tick_size is None else Fraction(rules.tick_size)
        if self._order["side"] == "BUY":
            return _rounded_up(price + worse, step)
        return max(step, floor((price - worse) / step) * step)

    def _share(self, text: str, price: Fraction) -> Fraction:
        """Return so many ticks, or so many basis points of the price."""
        number, _, unit = text.partition(" ")
        if unit == "bps":
            return price * Fraction(number) / 10_000
        return Fraction(number) * Fraction(self._rules.tick_size or 0)

    def _fees(self, notional: Fraction) -> Decimal | None:
        """Return what the charges of the whole order rise by with this fill."""
        charges = self._rules.charges
        if charges is None:
            return None
        side = self._order["side"]
        after = _total(charges, side, self._notional + notional)
        return _decimal(after - _total(charges, side, self._notional))

    def _random(self, number: int) -> Fraction:
        """Return a number in [0, 1) of the seed, the order and the number of its report."""
        text = f"{self._rules.seed}|{self._order['client_order_id']}|{number}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return Fraction(int.from_bytes(digest, "big") >> 11, 2**53)


def _total(charges: Mapping[str, Mapping[str, Any]], side: str, notional: Fraction) -> Fraction:
    """Return all charges of an order of which so much was filled, rounded half up."""
    if notional == 0:
        return Fraction(0)
    paid: dict[str, Fraction] = {}
    for name, charge in charges.items():
        if charge.get("side", side) != side:
            continue
        taxed = charge.get("of")
        base = (
            sum((paid.get(one, Fraction(0)) for one in taxed), Fraction(0)) if taxed else notional
        )
        due = Fraction(charge.get("rate", "0")) * base + Fraction(charge.get("amount", "0"))
        most = charge.get("maximum")
        paid[name] = due if most is None else min(due, Fraction(most))
    return Fraction(floor(sum(paid.values(), Fraction(0)) * _UNITS + Fraction(1, 2)), _UNITS)


def _rounded_up(number: Fraction, step: Fraction) -> Fraction:
    return ceil(number / step) * step


def _decimal(number: Fraction) -> Decimal:
    """Return a number of at most eight decimal places, exactly."""
    units = number * _UNITS
    assert units.denominator == 1
    return Decimal(units.numerator).scaleb(-8)


class _Ticks:
    """The usable ticks of each partition and instrument, in the order of their offsets."""

    def __init__(self, world: World) -> None:
        self._schemas = world.schemas
        self._raw: dict[tuple[int, bytes | None], list[Raw]] = {}
        for raw in world.topics["ticks"]:
            self._raw.setdefault((raw.partition, raw.key), []).append(raw)
        self._at = {
            (partition, key, raw.offset): at
            for (partition, key), records in self._raw.items()
            for at, raw in enumerate(records)
        }
        self._read: dict[tuple[int, int], Mapping[str, Any] | None] = {}

    def behind(self, paper: Record) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the ticks of the order's instrument behind its own, with when each was written."""
        token, offset = paper.fields["instrument_token"], paper.fields["tick_offset"]
        key = paper.raw.partition, str(token).encode()
        records = self._raw.get(key, [])
        first = self._at.get((*key, offset), -1) + 1
        for at in range(first, len(records)):
            tick = self._tick(records[at])
            if tick is None or tick["instrument_token"] != token:
                continue
            if records[at].offset > offset:
                yield records[at].timestamp_ms, tick

    def _tick(self, raw: Raw) -> Mapping[str, Any] | None:
        at = raw.partition, raw.offset
        if at not in self._read:
            try:
                self._read[at] = self._schemas.read(raw.value)
            except UnreadableError:
                self._read[at] = None
        return self._read[at]
