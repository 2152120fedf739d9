"""Strategies and what workers say of them, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.timestamps import iso_utc
from algo_panda.store.repository import (
    ListedStrategies,
    ReportedStatus,
    StoredStrategy,
    UnusableRow,
)

SHORT_ID = 8
"""Characters of an id that people are shown, unless more are needed to tell two apart."""

NAMED_WORKERS = 3
"""So many workers that say the same are named; more are counted. JSON has all."""


class UnclearIdError(ConfigurationError):
    """No id, or more than one, begins as was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table, and what was said of it."""

    row: StoredStrategy | UnusableRow
    said: tuple[ReportedStatus, ...]

    @property
    def id(self) -> str:
        """The whole id."""
        return self.row.id if isinstance(self.row, UnusableRow) else str(self.row.config.id)


def joined(listed: ListedStrategies, said: Sequence[ReportedStatus]) -> list[Row]:
    """Each row with what was said of it; those that cannot be used come last."""
    rows: list[StoredStrategy | UnusableRow] = [*listed.usable, *listed.unusable]
    by_id: dict[str, list[ReportedStatus]] = {}
    for entry in said:
        by_id.setdefault(str(entry.status.strategy_id), []).append(entry)
    return [
        Row(row=bare.row, said=tuple(by_id.get(bare.id, ())))
        for bare in (Row(row=row, said=()) for row in rows)
    ]


def find(rows: Sequence[Row], start: str) -> Row:
    """The row whose id is ``start``, or alone begins with it.

    Raises:
        UnclearIdError: none, or more than one.
    """
    wanted = start.lower()
    found = [row for row in rows if wanted and row.id.lower().startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnclearIdError(f"no strategy id begins with {start!r}; see 'panda strategies list'")
    ids = ", ".join(row.id for row in found)
    raise UnclearIdError(f"more than one strategy id begins with {start!r}: {ids}")


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Each id cut as short as it may be with all of them still told apart."""
    length = SHORT_ID
    while len({whole[:length] for whole in ids}) < len(set(ids)):
        length += 1
    return {whole: whole[:length] for whole in ids}


def as_table(rows: Sequence[Row]) -> Table:
    """The rows as a table."""
    table = Table("id", "type", "instruments", "brokers", "validator", "enabled", "version")
    table.add_column("status", overflow="fold")
    short = short_ids([row.id for row in rows])
    for row in rows:
        table.add_row(*(escape(cell) for cell in _cells(row, short[row.id])))
    return table


def as_object(row: Row) -> dict[str, Any]:
    """The row as JSON has it."""
    status = [
        {
            "state": entry.status.state.value,
            "reason": entry.status.reason,
            "instrument_token": entry.status.instrument_token,
            "strategy_version": entry.status.strategy_version,
            "worker": entry.worker,
            "updated_at": iso_utc(entry.updated_at),
        }
        for entry in row.said
    ]
    match row.row:
        case UnusableRow() as unusable:
            return {**asdict(unusable), "usable": False, "status": status}
        case StoredStrategy() as stored:
            return {**_stored_object(stored), "status": status}


def as_lines(row: Row) -> list[str]:
    """The row, a line for each thing there is to say."""
    lines: list[str] = []
    for name, value in as_object(row).items():
        if name == "status":
            said = said_lines(row) or ["no worker has reported"]
            lines += [f"{'status' if not i else '':<24} {line}" for i, line in enumerate(said)]
        elif name != "reason" or value is not None:
            shown = value if isinstance(value, str) else json.dumps(value)
            lines.append(f"{name:<24} {shown}")
    return lines


def said_lines(row: Row) -> list[str]:
    """What workers say, alike statements put together."""
    version = row.row.version if isinstance(row.row, UnusableRow) else row.row.config.version
    groups: dict[tuple[str, str | None, int], list[ReportedStatus]] = {}
    for entry in row.said:
        status = entry.status
        key = (status.state.value, status.reason, status.strategy_version)
        groups.setdefault(key, []).append(entry)
    return [
        _sentence(group, of_version=None if said_version == version else said_version)
        for (_, _, said_version), group in groups.items()
    ]


def _sentence(alike: Sequence[ReportedStatus], *, of_version: int | None) -> str:
    status = alike[0].status
    tokens = sorted(
        {token for entry in alike if (token := entry.status.instrument_token) is not None}
    )
    workers = sorted({entry.worker for entry in alike})
    if len(workers) > NAMED_WORKERS:
        workers = [f"{len(workers)} workers"]
    return "".join(
        [
            status.state.value,
            f" on {', '.join(map(str, tokens))}" if tokens else "",
            f" (version {of_version})" if of_version else "",
            f" by {', '.join(workers)}",
            f": {status.reason}" if status.reason else "",
        ]
    )


def _cells(row: Row, short: str) -> list[str]:
    said = said_lines(row)
    match row.row:
        case UnusableRow(reason=reason, strategy_type=kind, enabled=enabled, version=version):
            status = "\n".join([f"cannot be used: {reason}", *said])
            shown = "?" if enabled is None else _yes(enabled)
            return [short, kind or "?", "?", "?", "?", shown, str(version or "?"), status]
        case StoredStrategy(config=config):
            return [
                short,
                config.strategy_type,
                ", ".join(map(str, config.instruments)),
                ", ".join(config.brokers) or "signals only",
                config.validator,
                _yes(config.enabled),
                str(config.version),
                "\n".join(said) or "-",
            ]


def _stored_object(stored: StoredStrategy) -> dict[str, Any]:
    config = stored.config
    return {
        "id": str(config.id),
        "usable": True,
        "reason": None,
        "strategy_type": config.strategy_type,
        "parameters": dict(config.parameters),
        "instruments": [*config.instruments],
        "active_brokers": None if config.active_brokers is None else [*config.active_brokers],
        "brokers": [*config.brokers],
        "validator_type": config.validator_type,
        "validator": config.validator,
        "enabled": config.enabled,
        "zerodha_trading_enabled": config.zerodha_trading_enabled,
        "version": config.version,
        "created_at": iso_utc(stored.created_at),
        "updated_at": iso_utc(stored.updated_at),
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"
