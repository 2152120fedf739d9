"""Strategy versions of a partition: which ones run from which tick on, and when they change.

Signals depend on the configuration of a strategy. The versions that computed a state are recorded
with it. Other versions take over only from a settled start, where no signal of a later tick can
have been sent; until then the recorded ones continue.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.config_json import config_fields, config_of
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.trading import Activation
from algo_panda.runner.partition import PartitionRunner
from algo_panda.streaming.operator import Start, StateFormatError
from algo_panda.streaming.operators.origin import OriginPolicy

logger = logging.getLogger(__name__)

STRATEGIES_KEY = b"\x00strategies"
"""Key of the versions of a partition in its changelog."""


class MissingStrategiesError(ConfigurationError):
    """A partition runs strategies that this worker cannot run."""

    def __init__(self, where: str, missing: Sequence[tuple[StrategyConfig, str]]) -> None:
        listed = "; ".join(
            f"{config.id} ({config.strategy_type}, version {config.version}): {reason}"
            for config, reason in missing
        )
        super().__init__(
            f"{where} runs strategies that this worker cannot run: {listed}. Give the worker the"
            " database, PANDA_PROCESSORS, PANDA_VALIDATORS and modules of the other runners; to"
            " stop a strategy for good, use 'panda strategies disable'"
        )


class StrategyRow(NamedTuple):
    """Whether the strategy of a database row is to run."""

    is_enabled: bool
    problem: str | None
    """Why it cannot be used, or None."""


class RunsPartition(Protocol):
    """A strategy runner, as far as a partition needs it."""

    def partition(self, *, topic_id: str, partition: int) -> PartitionRunner:
        """The runner of one partition of ``ticks``."""
        ...

    def release(self, runner: PartitionRunner, /) -> None:
        """Put it away."""
        ...


class Chosen(NamedTuple):
    """Strategy versions that a partition runs."""

    configs: tuple[StrategyConfig, ...]
    activations: tuple[Activation, ...]
    """Versions that begin or end at this offset."""
    is_recorded: bool
    """Whether the changelog has recorded these versions."""
    is_outdated: bool
    """Whether other versions wait for a settled start."""
    origin: bytes | None = None
    """Database and code of the versions, to be recorded; None: they are not recorded."""


class StrategyVersions:
    """The strategies as configured now, and runners of these and of recorded versions."""

    def __init__(
        self,
        *,
        current: RunsPartition,
        configs: Iterable[StrategyConfig],
        runner_of: Callable[[Sequence[StrategyConfig]], RunsPartition],
        disabled: Mapping[UUID, str] | None = None,
        read_rows: Callable[[], Mapping[UUID, StrategyRow]] = dict[UUID, StrategyRow],
        origin: OriginPolicy | None = None,
    ) -> None:
        """Make one.

        Args:
            current: runs ``configs``.
            configs: the strategies that take ticks as they are configured now.
            runner_of: makes and starts a runner of other ones.
            disabled: enabled strategies that could not be started, and why.
            read_rows: reads all rows of the database as they are now, by strategy id.
            origin: compares database and code with those recorded; None: they do not matter.
        """
        self._current = current
        self._configs = tuple(configs)
        self._runner_of = runner_of
        self._disabled = disabled or {}
        self._read_rows = read_rows
        self._origin = origin

    def runner(self, configs: tuple[StrategyConfig, ...]) -> RunsPartition:
        """A runner of these."""
        return self._current if configs == self._configs else self._runner_of(configs)

    def choose(
        self, recorded: bytes | None, start: Start, *, topic: str, topic_id: str, partition: int
    ) -> Chosen:
        """Return what the partition runs.

        A recorded strategy ends only if its row is disabled. A worker that was started before a
        row was added or disabled finds that in the database.

        Args:
            recorded: what the changelog has under ``STRATEGIES_KEY``.
            start: where the partition begins.
            topic: name of the topic of ticks.
            topic_id: Kafka's id of it.
            partition: number of the partition.

        Raises:
            OtherDatabaseError: the recorded strategies are those of another database.
            MissingStrategiesError: this worker cannot run a recorded strategy.
            ChangedCodeError: other code may have sent signals of ticks that are to be processed.
        """
        where = f"{topic}[{partition}]"
        if self._origin is not None:
            self._origin.check_database(start, where, lambda: self._without_row(recorded))
        chosen = self._choose(recorded, start, topic, topic_id, partition)
        if self._origin is None:
            return chosen
        return chosen._replace(origin=self._origin.check_code(chosen.configs, start, where))

    def _choose(
        self, recorded: bytes | None, start: Start, topic: str, topic_id: str, partition: int
    ) -> Chosen:
        before = () if recorded is None else decode_configs(recorded)
        now = self._newest(before)
        if recorded is not None:
            now = self._agreed(before, now, f"{topic}[{partition}]")
        if recorded == encode_configs(now):
            return Chosen(now, (), is_recorded=True, is_outdated=False)
        if recorded is not None and not start.is_settled:
            logger.info(
                "%s[%s]: strategies that were added, changed or disabled take effect within 1,000"
                " ticks, or the ticks of four checkpoint intervals if those are more, because a"
                " runner did not stop cleanly",
                topic,
                partition,
            )
            return Chosen(before, (), is_recorded=True, is_outdated=True)
        offset = start.offsets[topic]
        return Chosen(
            now,
            tuple(
                _activation(config, active, topic_id, partition, offset)
                for config, active in _changes(before, now)
            ),
            is_recorded=False,
            is_outdated=False,
        )

    def _without_row(self, recorded: bytes | None) -> list[StrategyConfig]:
        rows = self._read_rows()
        before = () if recorded is None else decode_configs(recorded)
        return [config for config in before if config.id not in rows]

    def _agreed(
        self, before: Sequence[StrategyConfig], now: Sequence[StrategyConfig], where: str
    ) -> tuple[StrategyConfig, ...]:
        """Return ``now`` without rows disabled since, and with recorded ones that are not in it."""
        ours, recorded = {config.id for config in now}, {config.id for config in before}
        if ours == recorded:
            return tuple(now)
        rows = self._read_rows()
        kept: list[StrategyConfig] = []
        missing: list[tuple[StrategyConfig, str]] = []
        for config in before:
            row = rows.get(config.id)
            if config.id in ours or (row is not None and not row.is_enabled):
                continue
            if row is None:
                missing.append((config, "the database has no such row"))
            elif row.problem is not None:
                missing.append((config, row.problem))
            elif config.id in self._disabled:
                missing.append((config, self._disabled[config.id]))
            else:
                kept.append(config)
        if missing:
            raise MissingStrategiesError(where, missing)
        ended = {
            config.id
            for config in now
            if config.id not in recorded
            and (row := rows.get(config.id)) is not None
            and not row.is_enabled
        }
        return (*(config for config in now if config.id not in ended), *kept)

    def _newest(self, recorded: Iterable[StrategyConfig]) -> tuple[StrategyConfig, ...]:
        """Ours, but for those that a worker who started later knows in a newer version."""
        known = {config.id: config for config in recorded}
        return tuple(
            known[config.id]
            if config.id in known and known[config.id].version > config.version
            else config
            for config in self._configs
        )


def encode_configs(configs: Iterable[StrategyConfig]) -> bytes:
    """As JSON, the same bytes for the same configurations."""
    return json.dumps(
        [config_fields(c) for c in configs], sort_keys=True, separators=(",", ":")
    ).encode()


def decode_configs(value: bytes) -> tuple[StrategyConfig, ...]:
    """Read what ``encode_configs`` gave.

    Raises:
        StateFormatError: ``encode_configs`` does not give that. An unknown field is refused,
            because signals may depend on it.
    """
    try:
        return tuple(map(_known_config, json.loads(value)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateFormatError(
            f"the recorded strategy versions are invalid: {type(error).__name__}: {error}"
        ) from error


def _known_config(fields: dict[str, Any]) -> StrategyConfig:
    config = config_of(fields)
    unknown = fields.keys() - config_fields(config).keys()
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}")
    return config


def _canonical(values: object) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _changes(
    before: Iterable[StrategyConfig], now: Iterable[StrategyConfig]
) -> Iterable[tuple[StrategyConfig, bool]]:
    ended = {config.id: config for config in before}
    begun: list[StrategyConfig] = []
    for config in now:
        if ended.get(config.id) == config:
            del ended[config.id]
        else:
            begun.append(config)
    yield from ((config, False) for config in ended.values())
    yield from ((config, True) for config in begun)


def _activation(
    config: StrategyConfig,
    active: bool,
    topic_id: str,
    partition: int,
    offset: int,
) -> Activation:
    return Activation(
        strategy_id=str(config.id),
        strategy_type=config.strategy_type,
        strategy_version=config.version,
        configuration_digest=config.digest,
        configuration=_canonical(config_fields(config)),
        active=active,
        reason=None,
        tick_topic_id=topic_id,
        tick_partition=partition,
        tick_offset=offset,
    )
