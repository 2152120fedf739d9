"""Every signal is answered, every order routed: once, and with the fields of its cause."""

from collections.abc import Iterator
from typing import Any

from tests.oracle.ids import rejection_id, signal_id
from tests.oracle.records import Record, differing
from tests.oracle.rules import Rules
from tests.oracle.world import Due, World

_PROVENANCE = ("strategy_id", "strategy_type", "instrument_token", "signal_id", "event_time")
_TICK = ("tick_partition", "tick_offset")
_OF_RISK = frozenset({"EXPIRED", "TRADING_HALTED", "POSITION_EXCEEDS_MAXIMUM"})
_OF_ROUTER = frozenset({"EXPIRED", "TRADING_HALTED", "BROKER_UNAVAILABLE"})


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
        yield from _answer(world, name, due, world.orders.get(name), answers[name])
    for name, order in world.orders.items():
        if name not in world.due:
            yield f"{order.where}: no BUY or SELL signal asks for order {name}"
    for name, rejection in world.rejections.items():
        if rejection.fields["stage"] == "RISK" and name not in rejected:
            yield f"{rejection.where}: no BUY or SELL signal can have rejection {name}"


def _answer(
    world: World, name: str, due: Due, order: Record | None, rejection: Record | None
) -> Iterator[str]:
    asked = f"{due.signal.where}: the signal for broker {due.broker}"
    if order is None and rejection is None:
        yield f"{asked} has neither order {name} nor a rejection by risk"
    if order is not None and rejection is not None:
        yield f"{asked} has an order ({order.where}) and a rejection ({rejection.where})"
    violation = _violation(world.rules, due.signal)
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
        if violation is not None:
            yield f"{order.where}: the order is expected to be rejected with {violation}"
    if rejection is not None:
        expected = {
            **_same(due, (*_PROVENANCE, *_TICK)),
            "stage": "RISK",
            "broker": due.broker,
            "account": due.account,
        }
        yield from _wrong(rejection, expected)
        code = rejection.fields["code"]
        # Age and trading state are looked at first; both depend on the moment.
        possible = _OF_RISK if violation is None else {"EXPIRED", "TRADING_HALTED", violation}
        if code not in possible:
            yield f"{rejection.where}: code is {code}, expected one of {sorted(possible)}"


def routing_differences(world: World) -> Iterator[str]:
    """Each order goes to the paper venue, or is rejected by the router and ended by a report."""
    rejected = {
        rejection_id("router", name, order.fields["account"]): name
        for name, order in world.orders.items()
    }
    rejections = {name: world.rejections.get(rejection) for rejection, name in rejected.items()}
    for name, order in world.orders.items():
        yield from _route(world, order, world.paper_orders.get(name), rejections[name])
    for name, order in world.paper_orders.items():
        if name not in world.orders:
            yield f"{order.where}: no order {name} was approved"
    for name, rejection in world.rejections.items():
        if rejection.fields["stage"] == "ROUTER" and name not in rejected:
            yield f"{rejection.where}: no order can have rejection {name}"


def _route(
    world: World, order: Record, paper: Record | None, rejection: Record | None
) -> Iterator[str]:
    name, broker = order.fields["client_order_id"], order.fields["broker"]
    if paper is None and rejection is None:
        yield f"{order.where}: order {name} was neither sent to paper nor rejected by the router"
    if paper is not None and rejection is not None:
        yield f"{order.where}: it was sent ({paper.where}) and rejected ({rejection.where})"
    if paper is not None:
        yield from _wrong(paper, order.fields)
        if broker not in world.rules.available_brokers:
            yield f"{paper.where}: broker {broker} is not available, so a rejection is expected"
    if rejection is not None:
        names = (*_PROVENANCE, *_TICK, "account", "broker")
        yield from _wrong(rejection, {name: order.fields[name] for name in names})
        code = rejection.fields["code"]
        if code not in _OF_ROUTER:
            yield f"{rejection.where}: code is {code}, expected one of {sorted(_OF_ROUTER)}"
        if code == "BROKER_UNAVAILABLE" and broker in world.rules.available_brokers:
            yield f"{rejection.where}: broker {broker} is available"


def _violation(rules: Rules, signal: Record) -> str | None:
    """Return the code of the limit of one order that the signal exceeds."""
    quantity = signal.fields["quantity"]
    notional = quantity * signal.fields["price"]
    if quantity <= 0:
        return "INVALID_QUANTITY"
    if quantity > rules.max_quantity:
        return "QUANTITY_EXCEEDS_MAXIMUM"
    if notional <= 0:
        return "INVALID_NOTIONAL"
    return "NOTIONAL_EXCEEDS_MAXIMUM" if notional > rules.max_notional else None


def _same(due: Due, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: due.signal.fields[name] for name in names}


def _wrong(record: Record, expected: Any) -> Iterator[str]:
    wrong = differing(record.fields, expected)
    if wrong:
        yield f"{record.where}: {wrong}"
