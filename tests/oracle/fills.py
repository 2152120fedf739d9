"""Fills of the default model, found by going through the ticks one by one."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from tests.oracle.moments import accounts_in
from tests.oracle.records import Raw, Record, UnreadableError, differing
from tests.oracle.world import World


def fill_differences(world: World) -> Iterator[str]:
    """Each accepted paper order is filled whole by the first tick that may fill it.

    That is the first tick of its instrument behind its own whose event time is not before the
    order's, unless time and price are those of the order's own tick. A tick that happened more
    than the time to expiry after the order's own ends the order instead. While the account is
    HALTED, ticks pass without filling. When the venue knew of that is not recorded, so that an
    order on an account that was ever halted may wait, or be filled by any later tick.
    """
    if not world.rules.is_default_fill_model:
        return
    ticks = _Ticks(world)
    halted = accounts_in(world, {"HALTED"})
    for name, paper in world.paper_orders.items():
        reports = world.reports.get(name, [])
        if not reports or reports[0].fields["status"] != "ACCEPTED":
            continue
        outcomes = _outcomes(world, paper, ticks)
        if {paper.fields["account"], "*"} & halted:
            if len(reports) > 1 and all(differing(reports[1].fields, one) for one in outcomes):
                yield f"{reports[1].where}: no tick has this outcome for order {name}"
            continue
        expected = next(outcomes, None)
        if expected is None:
            for report in reports[1:]:
                yield f"{report.where}: no tick fills order {name} yet"
        elif len(reports) == 1:
            yield f"{paper.where}: no report of order {name}, expected {expected['status']}"
        else:
            wrong = differing(reports[1].fields, expected)
            if wrong:
                yield f"{reports[1].where}: {wrong}"


def _outcomes(world: World, paper: Record, ticks: "_Ticks") -> Iterator[dict[str, Any]]:
    """Yield the outcome by each tick that may fill the order or end it, the first one first."""
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
