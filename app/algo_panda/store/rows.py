"""From a row, as the driver gives it, to a strategy or to the reason why there is none.

A row is read in plain driver values (PostgreSQL: ``UUID``, ``dict``, ``list``; SQLite: text and
whole numbers), so that one damaged row is one row lost. SQLite keeps any value in any column.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from algo_panda.store.acceptance import Acceptance
from algo_panda.store.documents import is_array, is_object, parse
from algo_panda.store.repository import (
    ListedStrategies,
    LoadedStrategies,
    StoredStrategy,
    UnusableRow,
)

RawRow = Mapping[str, object]
"""Column name to driver value."""


def read_row(raw: RawRow, acceptance: Acceptance) -> StoredStrategy | UnusableRow:
    """What ``raw`` says, or why it cannot be used."""
    try:
        stored = StoredStrategy(
            config=_config(raw),
            created_at=_moment(raw, "created_at"),
            updated_at=_moment(raw, "updated_at"),
        )
        reason = acceptance.refusal(stored.config)
    except ValueError as error:
        reason = str(error)
    else:
        if reason is None:
            return stored
    return UnusableRow(
        id=str(raw["id"]),
        reason=reason,
        strategy_type=kind if isinstance(kind := raw["strategy_type"], str) else None,
        enabled=_readable_flag(raw, "enabled"),
        version=_readable_version(raw) or 0,
    )


def row_of(config: StrategyConfig, now: datetime) -> dict[str, object]:
    """The row that holds ``config``, made at ``now``: columns to the values of ``tables.py``."""
    return {
        "id": str(config.id),
        "strategy_type": config.strategy_type,
        "parameters": dict(config.parameters),
        "instruments": [*config.instruments],
        "active_brokers": None if config.active_brokers is None else [*config.active_brokers],
        "validator_type": config.validator_type,
        "enabled": config.enabled,
        "zerodha_trading_enabled": config.zerodha_trading_enabled,
        "version": config.version,
        "created_at": now,
        "updated_at": now,
    }


def sorted_out(rows: Iterable[RawRow], acceptance: Acceptance) -> ListedStrategies:
    """All rows, those that can be used and those that cannot, each in the order given."""
    read = [read_row(raw, acceptance) for raw in rows]
    return ListedStrategies(
        usable=tuple(row for row in read if isinstance(row, StoredStrategy)),
        unusable=tuple(row for row in read if isinstance(row, UnusableRow)),
    )


def enabled_only(listed: ListedStrategies) -> LoadedStrategies:
    """What a worker is to run, and what it would have run had it been usable."""
    return LoadedStrategies(
        usable=tuple(row.config for row in listed.usable if row.config.enabled),
        unusable=tuple(row for row in listed.unusable if row.enabled is not False),
    )


def _config(raw: RawRow) -> StrategyConfig:
    return StrategyConfig(
        id=_uuid(raw),
        strategy_type=_text(raw, "strategy_type"),
        parameters=_object(raw, "parameters"),
        instruments=_tokens(raw, "instruments"),
        active_brokers=_names(raw, "active_brokers"),
        validator_type=None if raw["validator_type"] is None else _text(raw, "validator_type"),
        enabled=_flag(raw, "enabled"),
        zerodha_trading_enabled=_flag(raw, "zerodha_trading_enabled"),
        version=_version(raw),
    )


def _uuid(raw: RawRow) -> UUID:
    value = raw["id"]
    if isinstance(value, UUID):
        return value
    try:
        found = UUID(str(value))
    except ValueError as error:
        raise ValueError(f"id is not a uuid: {value!r}") from error
    if str(found) != value:
        raise ValueError(f"id is {value!r}, and must be written as {found} to be found")
    return found


def _text(raw: RawRow, column: str) -> str:
    value = raw[column]
    if not isinstance(value, str):
        raise ValueError(f"{column} is {value!r}, not text")
    return value


def _document(raw: RawRow, column: str) -> object:
    value = raw[column]
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{column} {error}") from error


def _object(raw: RawRow, column: str) -> dict[str, Any]:
    value = _document(raw, column)
    if not is_object(value):
        raise ValueError(f"{column} is {value!r}, not an object of names and values")
    return value


def _tokens(raw: RawRow, column: str) -> tuple[int, ...]:
    value = _document(raw, column)
    if not is_array(value):
        raise ValueError(f"{column} is {value!r}, not an array of instrument tokens")
    for item in value:
        if type(item) is not int:
            raise ValueError(f"{column}: {item!r} is not an instrument token")
    return tuple(value)


def _names(raw: RawRow, column: str) -> tuple[str, ...] | None:
    value = _document(raw, column)
    if value is None:
        return None
    if not is_array(value):
        raise ValueError(f"{column} is {value!r}, not an array of names")
    for item in value:
        if not isinstance(item, str):
            raise ValueError(f"{column}: {item!r} is not a name")
    return tuple(value)


def _flag(raw: RawRow, column: str) -> bool:
    found = _readable_flag(raw, column)
    if found is None:
        raise ValueError(f"{column} is {raw[column]!r}, neither true (1) nor false (0)")
    return found


def _readable_flag(raw: RawRow, column: str) -> bool | None:
    value = raw[column]
    return bool(value) if isinstance(value, int) and value in {0, 1} else None


def _version(raw: RawRow) -> int:
    found = _readable_version(raw)
    if found is None:
        raise ValueError(f"version is {raw['version']!r}, not a whole number from 1")
    return found


def _readable_version(raw: RawRow) -> int | None:
    value = raw["version"]
    return value if isinstance(value, int) and value >= 1 else None


def _moment(raw: RawRow, column: str) -> datetime:
    value = raw[column]
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"{column} is {value!r}, not a time") from error
    # SQLite's CURRENT_TIMESTAMP is UTC and does not say so.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
