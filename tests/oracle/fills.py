"""Fills of the default model, found by going through the ticks one by one."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from tests.oracle.cuts import TradingStates, cut_of
from tests.oracle.records import Raw, Record, UnreadableError, differing
from tests.oracle.world import World


def fill_differences(world: World) -> Iterator[str]:
    """Each accepted paper order is filled whole by the first tick that may fill it.

    That is the first tick of its instrument behind its own whose event time is not before the
    order's, unless time and price are those of the order's own tick. A tick that happened more
    than the time to expiry after the order's own ends the order instead. While the account is
    HALTED, ticks pass without filling: a tick may only have passed if the account was halted at
    some offset of ``control`` between the cuts of the report before and of this one.
    """
    if not world.rules.is_default_fill_model:
        return
    ticks = _Ticks(world)
    states = TradingStates(world)
    for name, paper in world.paper_orders.items():
        reports = world.reports.get(name, [])
        if not reports or reports[0].fields["status"] != "ACCEPTED":
            continue
        accepted, account = cut_of(reports[0]), paper.fields["account"]
        if accepted is None:
            continue  # that is a difference by itself
        following = reports[1] if len(reports) > 1 else None
        cut = None if following is None else cut_of(following)
        last = None if cut is None else cut.control
        is_halted = states.is_ever_halted(account, accepted.control, last)
        outcomes = list(_outcomes(world, paper, ticks, only_first=not is_halted))
        if following is None:
            if outcomes and not is_halted:
                expected = outcomes[0]["status"]
                yield f"{paper.where}: no report of order {name}, expected {expected}"
        elif all(differing(following.fields, one) for one in outcomes):
            expected = outcomes[0] if outcomes else {}
            wrong = differing(following.fields, expected) or "no tick fills the order yet"
            yield f"{following.where}: {wrong}"
        elif following.fields["status"] == "FILLED" and states.at(account, last) == "HALTED":
            yield f"{following.where}: a fill while account {account} is HALTED"


def _outcomes(
    world: World, paper: Record, ticks: "_Ticks", *, only_first: bool
) -> Iterator[dict[str, Any]]:
    """Yield the outcome by each tick that may fill the order, up to one that ends it."""
    order = paper.fields
    expiry = order["event_time"] + timedelta(microseconds=world.rules.paper_expire_us)
    for tick in ticks.behind(paper):
        if tick["event_time"] < order["event_time"]:
            continue
        if (tick["event_time"], tick["last_price"]) == (
            order["event_time"],
            order["reference_price"],
        ):
            continue
        is_late = tick["event_time"] > expiry
        yield {
            "status": "EXPIRED" if is_late else "FILLED",
            "last_quantity": 0 if is_late else order["quantity"],
            "last_price": None if is_late else tick["last_price"],
            "event_time": tick["event_time"],
            "fees": None,
        }
        if is_late or only_first:
            return


class _Ticks:
    """Ticks by partition and instrument, read when they are needed."""

    def __init__(self, world: World) -> None:
        self._schemas = world.schemas
        self._raw: dict[tuple[int, bytes | None], list[Raw]] = {}
        self._index: dict[tuple[int, bytes | None], dict[int, int]] = {}
        self._read: dict[tuple[int, int], Mapping[str, Any] | None] = {}
        for raw in world.topics["ticks"]:
            self._raw.setdefault((raw.partition, raw.key), []).append(raw)
        for key, records in self._raw.items():
            self._index[key] = {raw.offset: at for at, raw in enumerate(records)}

    def behind(self, paper: Record) -> Iterator[Mapping[str, Any]]:
        token = paper.fields["instrument_token"]
        key = paper.raw.partition, str(token).encode()
        own = self._index.get(key, {}).get(paper.fields["tick_offset"])
        first = 0 if own is None else own + 1
        records = self._raw.get(key, [])
        for at in range(first, len(records)):
            raw = records[at]
            tick = self._tick(raw)
            is_behind = raw.offset > paper.fields["tick_offset"]
            if is_behind and tick is not None and tick["instrument_token"] == token:
                yield tick

    def _tick(self, raw: Raw) -> Mapping[str, Any] | None:
        at = raw.partition, raw.offset
        if at not in self._read:
            try:
                self._read[at] = self._schemas.read(raw.value)
            except UnreadableError:
                self._read[at] = None
        return self._read[at]
