"""Which strategy versions take ticks from which offset on, as ``activations`` say."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from tests.oracle.records import Record, Schemas, Topics, UnreadableError, differing
from tests.oracle.runner.rules import RunnerRules
from tests.oracle.runner.user_code import UserCode, attempt


class Change(NamedTuple):
    """A version begins to take ticks, or ceases to, at an offset of one partition."""

    offset: int
    config: StrategyConfig
    is_active: bool


class Versions:
    """The activations, and what is wrong with them."""

    def __init__(self, topics: Topics, rules: RunnerRules, schemas: Schemas) -> None:
        self.problems: list[str] = []
        self.changes: dict[int, list[Change]] = defaultdict(list)
        """By partition of ``ticks``, in their order."""
        self._rules = rules
        self._rows = {(str(row.id), row.version): row for row in rules.rows}
        self._active: dict[tuple[int, str], StrategyConfig] = {}
        for raw in topics["activations"]:
            where = f"activations[{raw.partition}] offset {raw.offset}"
            try:
                record = Record("activations", raw, schemas.read(raw.value))
            except UnreadableError as error:
                self.problems.append(f"{where}: the record cannot be read: {error}")
                continue
            self.problems.extend(self._take(record))

    def active(self, partition: int) -> dict[str, StrategyConfig]:
        """Return what runs on a partition in the end, by strategy id."""
        return {name: row for (number, name), row in self._active.items() if number == partition}

    def never_active(self, code: UserCode) -> Iterator[str]:
        """Find rows that can run, and never did on some partition."""
        known = {(n, str(c.config.id)) for n, some in self.changes.items() for c in some}
        for row in {row.id: row for row in self._rules.rows if row.enabled}.values():
            if not can_start(row, code):
                continue
            for partition in range(self._rules.partitions["ticks"]):
                if (partition, str(row.id)) not in known:
                    yield f"activations: strategy {row.id} was never active on ticks[{partition}]"

    def _take(self, record: Record) -> Iterator[str]:
        fields = record.fields
        row = self._row(fields)
        if row is None:
            yield f"{record.where}: nobody knows this version of strategy {fields['strategy_id']}"
            return
        wrong = differing(fields, _expected(row, self._rules.topic_id))
        if record.raw.key != fields["strategy_id"].encode():
            wrong += f" key is {record.raw.key!r}, expected the strategy id"
        if wrong:
            yield f"{record.where}: {wrong}"
        partition, offset = fields["tick_partition"], fields["tick_offset"]
        before = self.changes[partition]
        if before and before[-1].offset > offset:
            yield f"{record.where}: tick_offset is {offset}, below that of the record before"
        name = partition, fields["strategy_id"]
        running = self._active.get(name)
        if fields["active"] and running is not None:
            yield f"{record.where}: version {running.version} is active already"
        if not fields["active"] and (running is None or running.version != row.version):
            yield f"{record.where}: this version is not active"
        if fields["active"]:
            self._active[name] = row
        else:
            self._active.pop(name, None)
        before.append(Change(offset, row, fields["active"]))

    def _row(self, fields: Mapping[str, Any]) -> StrategyConfig | None:
        """Return the row as the database has it, or as the record itself says if that is newer."""
        known = self._rows.get((fields["strategy_id"], fields["strategy_version"]))
        if known is not None or fields["configuration"] is None:
            return known
        given = json.loads(fields["configuration"])
        brokers = given["active_brokers"]
        return StrategyConfig(
            id=UUID(given["id"]),
            strategy_type=given["strategy_type"],
            parameters=given["parameters"],
            instruments=tuple(given["instruments"]),
            active_brokers=None if brokers is None else tuple(brokers),
            validator_type=given["validator_type"],
            zerodha_trading_enabled=given["zerodha_trading_enabled"],
            version=given["version"],
        )


def brokers_of(row: StrategyConfig) -> tuple[str, ...]:
    """Return where orders go: ``zerodha_trading_enabled`` decides if the row names no brokers."""
    if row.active_brokers is not None:
        return row.active_brokers
    return ("zerodha",) if row.zerodha_trading_enabled else ("paper",)


def digest_of(row: StrategyConfig) -> str:
    """Return the SHA-256 over all that decides what a strategy emits and where it goes."""
    decides = {
        "type": row.strategy_type,
        "parameters": dict(row.parameters),
        "validator": row.validator_type or "standard",
        "brokers": brokers_of(row),
    }
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def configuration_of(row: StrategyConfig) -> dict[str, Any]:
    """Return a row as records hold it."""
    return {
        "id": str(row.id),
        "strategy_type": row.strategy_type,
        "parameters": dict(row.parameters),
        "instruments": list(row.instruments),
        "active_brokers": None if row.active_brokers is None else list(row.active_brokers),
        "validator_type": row.validator_type,
        "zerodha_trading_enabled": row.zerodha_trading_enabled,
        "version": row.version,
    }


def can_start(row: StrategyConfig, code: UserCode) -> bool:
    """Return whether a strategy can be made on its first instrument."""
    _, error = attempt(code.processor, row, row.instruments[0])
    _, invalid = attempt(code.validator, row)
    return error is None and invalid is None


def _expected(row: StrategyConfig, topic_id: str) -> dict[str, Any]:
    text = json.dumps(configuration_of(row), sort_keys=True, separators=(",", ":"))
    return {
        "strategy_type": row.strategy_type,
        "strategy_version": row.version,
        "configuration_digest": digest_of(row),
        "configuration": text,
        "reason": None,
        "tick_topic_id": topic_id,
    }
