"""Verdicts that depend on the moment: age and trading state, as far as times of records prove.

A signal is judged after it was written and before its verdict is written; an order likewise.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from tests.oracle.ids import rejection_id
from tests.oracle.records import Record
from tests.oracle.world import World

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_differences(world: World) -> Iterator[str]:
    """Check what risk and the router say about age and trading state."""
    restricted = accounts_in(world, {"HALTED", "REDUCING"})
    for name, due in world.due.items():
        refused = rejection_id("risk", due.signal.fields["signal_id"], due.account)
        passed, rejection = world.orders.get(name), world.rejections.get(refused)
        yield from _judged(world, restricted, due.broker, due.signal, passed, rejection)
    for name, order in world.orders.items():
        refused = rejection_id("router", name, order.fields["account"])
        passed, rejection = world.paper_orders.get(name), world.rejections.get(refused)
        broker = order.fields["broker"]
        yield from _judged(world, restricted, broker, order, passed, rejection)


def _judged(
    world: World,
    restricted: set[str],
    broker: str,
    cause: Record,
    passed: Record | None,
    rejection: Record | None,
) -> Iterator[str]:
    limit_ms = world.rules.time_to_live_ms
    happened_ms = (cause.fields["event_time"] - _EPOCH) / timedelta(milliseconds=1)
    written_ms = cause.raw.timestamp_ms
    is_past_allowed = broker in world.rules.past_brokers
    if passed is not None and written_ms - happened_ms > limit_ms and not is_past_allowed:
        yield f"{passed.where}: the tick of {cause.where} was too old, expected is EXPIRED"
    if rejection is None:
        return
    code, ended_ms = rejection.fields["code"], rejection.raw.timestamp_ms + 1
    # The time stamp of a record is rounded down to milliseconds.
    is_old = ended_ms - written_ms > limit_ms or (
        ended_ms - happened_ms > limit_ms and not is_past_allowed
    )
    if code == "EXPIRED" and not is_old:
        yield f"{rejection.where}: {cause.where} was no older than {limit_ms} ms, but EXPIRED"
    if code == "TRADING_HALTED" and not {rejection.fields["account"], "*"} & restricted:
        yield (
            f"{rejection.where}: trading on account {rejection.fields['account']} was never"
            " halted or reduced"
        )


def accounts_in(world: World, states: Collection[str]) -> set[str]:
    """Return the accounts that were ever in one of these trading states; ``*`` is every account."""
    events = [world.schemas.read(raw.value) for raw in world.topics["control"]]
    return {event["account"] for event in events if event["state"] in states}
