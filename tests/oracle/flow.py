"""Every signal is answered, every order routed: once, and with the fields of its cause."""

from collections.abc import Iterator
from typing import Any

from tests.oracle.ids import rejection_id, signal_id
from tests.oracle.records import Record, differing
from tests.oracle.world import Due, World

_PROVENANCE = ("strategy_id", "strategy_type", "instrument_token", "signal_id", "event_time")
_TICK = ("tick_partition", "tick_offset")


def signal_differences(world: World) -> Iterator[str]:
    """Each signal has the id of its tick; each due order is an order or a rejection by risk."""
    for signal in world.signals.values():
        fields = signal.fields
        wanted = signal_id(
            fields["strategy_id"],
            fields["instrument_token"],
            fields["tick_topic_id"],
            fields["tick_partition"],
            fields["tick_offset"],
        )
        if fields["signal_id"] != wanted:
            yield f"{signal.where}: signal_id is {fields['signal_id']}, expected {wanted}"
    rejected = {
        rejection_id("risk", due.signal.fields["signal_id"], due.account): name
        for name, due in world.due.items()
    }
    answers = {name: world.rejections.get(rejection) for rejection, name in rejected.items()}
    for name, due in world.due.items():
        yield from _answer(name, due, world.orders.get(name), answers[name])
    for name, order in world.orders.items():
        if name not in world.due:
            yield f"{order.where}: no BUY or SELL signal asks for order {name}"
    for name, rejection in world.rejections.items():
        if rejection.fields["stage"] == "RISK" and name not in rejected:
            yield f"{rejection.where}: no BUY or SELL signal can have rejection {name}"


def _answer(name: str, due: Due, order: Record | None, rejection: Record | None) -> Iterator[str]:
    asked = f"{due.signal.where}: the signal for broker {due.broker}"
    if order is None and rejection is None:
        yield f"{asked} has neither order {name} nor a rejection by risk"
    if order is not None and rejection is not None:
        yield f"{asked} has an order ({order.where}) and a rejection ({rejection.where})"
    if order is not None:
        signal = due.signal.fields
        expected = {
            **_same(due, (*_PROVENANCE, *_TICK, "tick_topic_id", "quantity")),
            "broker": due.broker,
            "account": due.account,
            "side": signal["signal_type"],
            "signal_price": signal["price"],
            "reference_price": signal["tick_price"],
        }
        yield from _wrong(order, expected)
    if rejection is not None:
        expected = {
            **_same(due, (*_PROVENANCE, *_TICK)),
            "stage": "RISK",
            "broker": due.broker,
            "account": due.account,
        }
        yield from _wrong(rejection, expected)


def routing_differences(world: World) -> Iterator[str]:
    """Each order goes to the paper venue, or is rejected by the router and ended by a report."""
    rejected = {
        rejection_id("router", name, order.fields["account"]): name
        for name, order in world.orders.items()
    }
    rejections = {name: world.rejections.get(rejection) for rejection, name in rejected.items()}
    for name, order in world.orders.items():
        yield from _route(order, world.paper_orders.get(name), rejections[name])
    for name, order in world.paper_orders.items():
        if name not in world.orders:
            yield f"{order.where}: no order {name} was approved"
    for name, rejection in world.rejections.items():
        if rejection.fields["stage"] == "ROUTER" and name not in rejected:
            yield f"{rejection.where}: no order can have rejection {name}"


def _route(order: Record, paper: Record | None, rejection: Record | None) -> Iterator[str]:
    name = order.fields["client_order_id"]
    if paper is None and rejection is None:
        yield f"{order.where}: order {name} was neither sent to paper nor rejected by the router"
    if paper is not None and rejection is not None:
        yield f"{order.where}: it was sent ({paper.where}) and rejected ({rejection.where})"
    if paper is not None:
        # What was known is that of risk in the one, that of the router in the other.
        yield from _wrong(paper, {n: v for n, v in order.fields.items() if n != "decision"})
    if rejection is not None:
        names = (*_PROVENANCE, *_TICK, "account", "broker")
        yield from _wrong(rejection, {name: order.fields[name] for name in names})


def _same(due: Due, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: due.signal.fields[name] for name in names}


def _wrong(record: Record, expected: Any) -> Iterator[str]:
    wrong = differing(record.fields, expected)
    if wrong:
        yield f"{record.where}: {wrong}"
