"""Recovery: records that a person accepts other code or another database for a state."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from algo_panda.bootstrap.code_identity import UNKNOWN
from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.bootstrap.strategies import StrategyCode
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError, PandaError
from algo_panda.domain.ids import instrument_key
from algo_panda.kafka.admin import connect, end_offsets, start_offsets
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.groups import group_members
from algo_panda.kafka.reading import Ends, records
from algo_panda.kafka.topic_diff import verify_topics
from algo_panda.settings import Settings
from algo_panda.store.database import Database
from algo_panda.store.identity import database_id
from algo_panda.streaming.changelog import (
    FencedError,
    PartitionChangelog,
    Positions,
    UnreadableStateError,
)
from algo_panda.streaming.opening import BROKER_TIMEOUT
from algo_panda.streaming.operator import StateFormatError
from algo_panda.streaming.operators.origin import CodeChange, Origin, code_of_all
from algo_panda.streaming.operators.versions import STRATEGIES_KEY, decode_configs
from algo_panda.streaming.state_codec import RUNNER_CHANGELOG
from algo_panda.wire.errors import WireError

_LEAVING_SECONDS = 2.0
"""Time after the session timeout at which a killed member has left the group."""
_POLL_SECONDS = 0.2
_READ_AT_ONCE = 8
_ADVICE = "run this command with the settings, and in the folder, of the runners"


class RunnersAreUpError(PandaError):
    """The state of the runners cannot be changed while they may write it."""


class TickPlace(NamedTuple):
    """A tick: where it is, and when it happened."""

    offset: int
    event_time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyTicks:
    """Ticks whose signals a strategy may have sent, and may send again with other values."""

    config: StrategyConfig
    count: int = 0
    first: TickPlace | None = None
    last: TickPlace | None = None

    def with_tick(self, place: TickPlace) -> "StrategyTicks":
        """Count one more, behind the others."""
        return replace(self, count=self.count + 1, first=self.first or place, last=place)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeToAccept:
    """A partition that was not stopped cleanly, and whose strategies now have other code."""

    partition: int
    first_offset: int
    """Offset of the first tick after the checkpoint."""
    end_offset: int
    """Offset after the last tick concerned: the horizon, or the end of the topic if lower."""
    changes: Sequence[CodeChange]
    strategies: Sequence[StrategyTicks]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseToAccept:
    """A partition whose strategies are those of another database."""

    partition: int
    recorded: str
    found: str
    strategies: Sequence[StrategyConfig]


class _Checkpoint(NamedTuple):
    """The last checkpoint of a partition, which this process alone may replace."""

    changelog: PartitionChangelog
    partition: int
    positions: Positions
    origin: Origin
    configs: Sequence[StrategyConfig]


class Recovery:
    """Checkpoints of all partitions of the runner, for which code or database can be accepted.

    Raises:
        RunnersAreUpError: runners are members of their group.
        KafkaError: the broker does not answer, or state cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_wait: Callable[[Sequence[str]], None] = lambda _members: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the checkpoints.

        Args:
            settings: those of the runners.
            on_wait: called with the members of the group, if it waits for them to leave.
            clock: seconds, monotonic.
        """
        self._settings = settings
        self._connection = kafka_connection(settings)
        declared = declared_topics(settings)
        verify_topics(connect(self._connection), declared, ["ticks", RUNNER_CHANGELOG])
        self._ticks = declared["ticks"].on_broker
        self._group = f"{settings.topic_prefix}panda-runner"
        self._wait_until_left(on_wait, clock)
        read = partial(self._read, declared[RUNNER_CHANGELOG].on_broker)
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            found = list(pool.map(read, range(declared["ticks"].partitions)))
        self._checkpoints = {one.partition: one for one in found if one is not None}

    def codes(self) -> list[CodeToAccept]:
        """Return the partitions that a runner with this code would refuse to open.

        Raises:
            ConfigurationError: a recorded type is unknown here.
            KafkaError: the ticks cannot be read.
        """
        of_runner = StrategyCode(self._settings)
        concerned: dict[int, tuple[_Checkpoint, list[CodeChange], list[StrategyConfig]]] = {}
        for one in self._checkpoints.values():
            changes = one.origin.changes(_code(one.configs, of_runner))
            if changes and not (one.positions.is_settled or one.positions.is_handed_over):
                _refuse_unknown(changes)
                names = {change.name for change in changes}
                configs = [c for c in one.configs if not names.isdisjoint(of_runner.of(c))]
                concerned[one.partition] = one, changes, configs
        ranges = self._ranges(one for one, _, _ in concerned.values())
        ticks = self._count(
            {number: (ranges[number], configs) for number, (_, _, configs) in concerned.items()}
        )
        return [
            CodeToAccept(
                partition=number,
                first_offset=ranges[number][0],
                end_offset=ranges[number][1],
                changes=changes,
                strategies=ticks[number],
            )
            for number, (_, changes, _) in concerned.items()
        ]

    def databases(self) -> list[DatabaseToAccept]:
        """Return the partitions that a runner with this database would refuse to open.

        Raises:
            DatabaseError: the database cannot be read.
        """
        with Database(self._settings.effective_database_url) as database:
            found = database_id(database)
        return [
            DatabaseToAccept(
                partition=one.partition,
                recorded=one.origin.database,
                found=found,
                strategies=one.configs,
            )
            for one in self._checkpoints.values()
            if one.origin.database != found
        ]

    def accept_codes(self, codes: Iterable[CodeToAccept]) -> None:
        """Record the present code of these partitions as if they had run with it.

        Raises:
            RunnersAreUpError: a runner was started meanwhile.
            KafkaError: the broker refuses, or does not answer in time.
        """
        for code in codes:
            origin = self._checkpoints[code.partition].origin
            present = {change.name: change.found for change in code.changes}
            self._record(code.partition, replace(origin, code={**origin.code, **present}))

    def accept_databases(self, databases: Iterable[DatabaseToAccept]) -> None:
        """Record the present database as that of these partitions.

        Raises:
            RunnersAreUpError: a runner was started meanwhile.
            KafkaError: the broker refuses, or does not answer in time.
        """
        for one in databases:
            origin = self._checkpoints[one.partition].origin
            self._record(one.partition, replace(origin, database=one.found))

    def _record(self, partition: int, origin: Origin) -> None:
        checkpoint = self._checkpoints[partition]
        positions = replace(checkpoint.positions, origin=origin.encode())
        try:
            checkpoint.changelog.commit([], positions, [], BROKER_TIMEOUT)
        except FencedError as error:
            raise RunnersAreUpError(
                f"partition {partition} was opened by a runner while this command ran; nothing was"
                " accepted for it. Stop all runners, then run this command again"
            ) from error

    def _wait_until_left(
        self, on_wait: Callable[[Sequence[str]], None], clock: Callable[[], float]
    ) -> None:
        """Wait until the group is empty: a killed runner stays until its session times out."""
        patience = self._settings.kafka_session_timeout_seconds + _LEAVING_SECONDS
        deadline = clock() + patience
        is_first = True
        while members := group_members(self._connection, self._group):
            if is_first:
                on_wait(members)
                is_first = False
            if clock() > deadline:
                raise RunnersAreUpError(
                    f"runners are members of the group {self._group} ({', '.join(members)}); stop"
                    " all of them, then run this command again"
                )
            time.sleep(_POLL_SECONDS)

    def _read(self, topic: str, partition: int) -> _Checkpoint | None:
        """Return the last checkpoint, if database and code are recorded with it."""
        changelog = PartitionChangelog(
            connection=self._connection,
            topic=topic,
            partition=partition,
            transactional_id=f"{self._group}-{partition}",
        )
        restored = changelog.open(BROKER_TIMEOUT)
        positions = restored.positions
        if positions is None or positions.origin is None:
            return None
        try:
            return _Checkpoint(
                changelog,
                partition,
                positions,
                Origin.decode(positions.origin),
                decode_configs(restored.state.get(STRATEGIES_KEY, b"[]")),
            )
        except StateFormatError as error:
            raise UnreadableStateError(topic, partition, error) from error

    def _ranges(self, checkpoints: Iterable[_Checkpoint]) -> dict[int, tuple[int, int]]:
        """Return the first and the end offset of the ticks that each leaves open."""
        ends = end_offsets(connect(self._connection), [self._ticks])
        ranges: dict[int, tuple[int, int]] = {}
        for one in checkpoints:
            first = one.positions.offsets[self._ticks]
            end = min(one.positions.horizons[self._ticks], ends[self._ticks, one.partition])
            ranges[one.partition] = first, max(first, end)
        return ranges

    def _count(
        self, wanted: Mapping[int, tuple[tuple[int, int], Sequence[StrategyConfig]]]
    ) -> dict[int, list[StrategyTicks]]:
        """Count the ticks of each strategy within the range of its partition."""
        found = {
            number: [StrategyTicks(config=config) for config in configs]
            for number, (_, configs) in wanted.items()
        }
        spans = {
            (self._ticks, number): span for number, (span, _) in wanted.items() if span[0] < span[1]
        }
        if not spans:
            return found
        kept = start_offsets(connect(self._connection), [self._ticks])
        starts = {where: max(first, kept[where]) for where, (first, _) in spans.items()}
        ends = Ends({where: end for where, (_, end) in spans.items()})
        decode = codecs_of(self._settings).ticks.decode
        for message in records(self._connection, starts, ends):
            try:
                tick = decode(message.value(), message.timestamp()[1])
            except WireError:
                continue  # it led to a dead letter, whatever the code
            if message.key() != instrument_key(tick.instrument_token):
                continue
            place = TickPlace(message.offset() or 0, tick.event_time_us)
            number = message.partition() or 0
            found[number] = [
                one.with_tick(place) if tick.instrument_token in one.config.instruments else one
                for one in found[number]
            ]
        return found


def _code(configs: Iterable[StrategyConfig], code: StrategyCode) -> dict[str, str]:
    try:
        return code_of_all(configs, code.of)
    except ValueError as error:
        raise ConfigurationError(
            f"the code of a recorded strategy cannot be found: {error}; {_ADVICE}"
        ) from error


def _refuse_unknown(changes: Iterable[CodeChange]) -> None:
    """Refuse to accept code that is not there: a runner would have other code."""
    for change in changes:
        if change.found == UNKNOWN:
            raise ConfigurationError(f"the code of {change.name} cannot be found; {_ADVICE}")
