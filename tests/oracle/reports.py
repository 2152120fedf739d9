"""The execution reports of each order: their sequence, their sums, and nothing after the end."""

from collections.abc import Iterator

from tests.oracle.cuts import cut_of
from tests.oracle.ids import execution_id, rejection_id
from tests.oracle.records import Record, differing
from tests.oracle.world import ENDS, World

_OF_ORDER = (
    "client_order_id", "signal_id", "account", "broker", "strategy_id", "strategy_type",
    "instrument_token", "side", "quantity",
)  # fmt: skip
_FILLS = ("PARTIALLY_FILLED", "FILLED")


def report_differences(world: World) -> Iterator[str]:
    """Compare all reports with their orders."""
    for name, reports in world.reports.items():
        order = world.orders.get(name)
        if order is None:
            for report in reports:
                yield f"{report.where}: no order {name} was approved"
            continue
        yield from _numbers(name, reports)
        yield from _sums(order, reports)
    for name, order in world.orders.items():
        rejection = rejection_id("router", name, order.fields["account"])
        if rejection in world.rejections:
            yield from _ended_by_router(world, order, world.rejections[rejection])
    for name, paper in world.paper_orders.items():
        yield from _first(world, paper, world.reports.get(name, []))


def _numbers(name: str, reports: list[Record]) -> Iterator[str]:
    """The first of an order that the venue cannot know the past of has number 0."""
    first = 0 if reports[0].fields["execution_id"] == execution_id(name, 0) else 1
    for number, report in enumerate(reports, first):
        wrong = differing(report.fields, {"execution_id": execution_id(name, number)})
        if wrong:
            yield f"{report.where}: {wrong}"


def _sums(order: Record, reports: list[Record]) -> Iterator[str]:
    expected = {name: order.fields[name] for name in _OF_ORDER}
    filled, has_ended = 0, False
    for report in reports:
        fields = report.fields
        filled += fields["last_quantity"]
        wrong = differing(fields, {**expected, "cumulative_quantity": filled})
        if wrong:
            yield f"{report.where}: {wrong}"
        if has_ended:
            yield f"{report.where}: order {fields['client_order_id']} had ended before"
        if filled > fields["quantity"]:
            yield f"{report.where}: {filled} units are filled, the order has {fields['quantity']}"
        is_fill = fields["status"] in _FILLS
        if is_fill != (fields["last_quantity"] > 0) or is_fill != bool(fields["last_price"]):
            yield (
                f"{report.where}: a report of status {fields['status']} has quantity"
                f" {fields['last_quantity']} and price {fields['last_price']}"
            )
        if is_fill and (fields["status"] == "FILLED") != (filled == fields["quantity"]):
            yield f"{report.where}: status is {fields['status']} with {filled} units filled"
        has_ended = has_ended or fields["status"] in ENDS


def _ended_by_router(world: World, order: Record, rejection: Record) -> Iterator[str]:
    name = order.fields["client_order_id"]
    reports = world.reports.get(name, [])
    if not reports:
        yield f"{rejection.where}: no report ends order {name}, which the router rejected"
        return
    expected = {
        "status": "REJECTED",
        "reason": rejection.fields["reason"],
        "event_time": order.fields["event_time"],
        "venue_order_id": None,
        "decision": rejection.fields.get("decision"),
    }
    wrong = differing(reports[0].fields, expected)
    if wrong:
        yield f"{reports[0].where}: {wrong}"


def _first(world: World, paper: Record, reports: list[Record]) -> Iterator[str]:
    name, fields = paper.fields["client_order_id"], paper.fields
    if not reports:
        yield f"{paper.where}: paper order {name} has no report"
        return
    first, cut = reports[0].fields, cut_of(reports[0])
    under_way_us = 0 if cut is None else cut.at_us - paper.raw.timestamp_ms * 1_000
    is_late = under_way_us > 1_000 * max(world.rules.venue_limit_ms, world.rules.time_to_live_ms)
    is_of_another_topic = (first["reason"] or "").endswith("is no more")
    if fields["tick_partition"] != paper.raw.partition:
        expected = {"status": "REJECTED", "venue_order_id": None}
    elif is_late or is_of_another_topic:
        number = execution_id(name, 0)
        expected = {
            "status": "EXPIRED",
            "venue_order_id": f"PAPER-{name}",
            "execution_id": number,
            "cumulative_quantity": 0,
        }
    else:
        expected = {"status": "ACCEPTED", "venue_order_id": f"PAPER-{name}"}
    wrong = differing(first, {**expected, "event_time": fields["event_time"]})
    if wrong:
        yield f"{reports[0].where}: {wrong}"
