"""Position limits, as far as they can be proven without knowing how risk interleaved its inputs.

Risk reads signals and executions of a partition in an order that the topics do not record. Bounds
hold for every order: an approval is wrong if even the smallest possible position exceeds the
limit, a rejection if even the largest does not.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.oracle.ids import rejection_id
from tests.oracle.records import Record
from tests.oracle.world import ENDS, World, signed

_REASON = re.compile(r"position would become (-?\d+) \(held (-?\d+)\)")


class _Decided(NamedTuple):
    """A verdict of risk about the position: an order, or a rejection for the position."""

    signal: Record
    verdict: Record
    sign: int
    """+1 to buy, -1 to sell."""
    quantity: int
    name: str
    """Client order id."""


def limit_differences(world: World) -> Iterator[str]:
    """Check every order, and every rejection for the position, against the limits."""
    groups: dict[tuple[str, int, str], list[_Decided]] = defaultdict(list)
    for name, due in world.due.items():
        fields = due.signal.fields
        verdict = world.orders.get(name)
        if verdict is None:
            rejection = rejection_id("risk", fields["signal_id"], due.account)
            verdict = world.rejections.get(rejection)
            if verdict is None or verdict.fields["code"] != "POSITION_EXCEEDS_MAXIMUM":
                continue
        key = fields["strategy_id"], fields["instrument_token"], due.account
        sign = signed(fields["signal_type"], 1)
        groups[key].append(_Decided(due.signal, verdict, sign, fields["quantity"], name))
    for decided in groups.values():
        decided.sort(key=lambda one: (one.signal.raw.partition, one.signal.raw.offset))
        yield from _check(world, decided)


def _check(world: World, decided: Sequence[_Decided]) -> Iterator[str]:
    """Go through the verdicts of one strategy, instrument and account, in the order of signals.

    A report can have been booked before a verdict only if it was written before it.
    """
    reports = [r for one in decided for r in world.reports.get(one.name, ())]
    reports.sort(key=lambda r: r.raw.timestamp_ms)
    early: dict[str, list[Record]] = defaultdict(list)
    approved: set[str] = set()
    possible = _Possible()
    written_ms = read = 0
    for one in decided:
        written_ms = max(written_ms, one.verdict.raw.timestamp_ms)
        while read < len(reports) and reports[read].raw.timestamp_ms <= written_ms:
            report = reports[read]
            name = report.fields["client_order_id"]
            if name in approved:
                possible.book(report)
            else:  # of an order whose signal comes later
                early[name].append(report)
            read += 1
        yield from _judge(world, one, possible)
        if one.verdict.topic == "orders":
            approved.add(one.name)
            possible.approved[one.sign] += one.quantity
            for report in early.pop(one.name, ()):
                possible.book(report)


class _Possible:
    """What can be held, or may yet come to be held, by sign."""

    def __init__(self) -> None:
        self.approved = {1: 0, -1: 0}
        """Units of all orders before."""
        self.filled = {1: 0, -1: 0}
        """Units of fills that may have been booked."""
        self.released = {1: 0, -1: 0}
        """Units of orders that may have ended without being filled."""

    def book(self, report: Record) -> None:
        fields = report.fields
        sign = signed(fields["side"], 1)
        self.filled[sign] += fields["last_quantity"]
        if fields["status"] in ENDS:
            self.released[sign] += fields["quantity"] - fields["cumulative_quantity"]

    def least(self, sign: int) -> int:
        """Return the least possible position in the direction of ``sign``, without a new order."""
        return self.approved[sign] - self.released[sign] - self.filled[-sign]

    def most(self, sign: int) -> int:
        return self.approved[sign]


def _judge(world: World, one: _Decided, possible: _Possible) -> Iterator[str]:
    fields = one.signal.fields
    # A version that is not known may hold nothing.
    own = world.position_limits.get((fields["strategy_id"], fields["strategy_version"]), 0)
    limit = world.rules.max_position if own is None else min(own, world.rules.max_position)
    least = possible.least(one.sign) + one.quantity
    most = possible.most(one.sign) + one.quantity
    if one.verdict.topic == "orders":
        # Beyond the limit on its own side, an order never brings a position nearer to zero.
        if least > limit:
            yield (
                f"{one.verdict.where}: order {one.name} takes the position to at least"
                f" {one.sign * least}, the limit is {limit}"
            )
        return
    if most <= limit:
        yield (
            f"{one.verdict.where}: the position cannot have become more than {one.sign * most},"
            f" so the limit of {limit} is no reason to reject"
        )
    stated = _REASON.search(one.verdict.fields["reason"])
    if stated is None:
        yield f"{one.verdict.where}: the reason does not state the position"
        return
    worst, held = int(stated[1]) * one.sign, int(stated[2]) * one.sign
    if not least <= worst <= most:
        yield (
            f"{one.verdict.where}: the position is {worst * one.sign}, possible is"
            f" {one.sign * least} to {one.sign * most}"
        )
    if not -possible.filled[-one.sign] <= held <= possible.filled[one.sign]:
        yield (
            f"{one.verdict.where}: {held * one.sign} is held, possible is"
            f" {-possible.filled[-one.sign] * one.sign} to {possible.filled[one.sign] * one.sign}"
        )
    if worst <= limit:
        yield f"{one.verdict.where}: position {worst * one.sign} is within the limit of {limit}"
