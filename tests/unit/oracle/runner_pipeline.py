"""The program's runner without a broker: topics in memory, crashes on demand.

Each partition has a worker of its own. State and position are committed together; signals leave
at once, or with the commit. A crash discards what was processed since the last commit, and
strategies are made anew. After it the old versions go on up to where records were processed.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from io import BytesIO
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

import fastavro

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.runner.arrival import ArrivalPolicy, TickPolicy
from algo_panda.runner.runner import StrategyRunner
from algo_panda.streaming.operator import Output, Start, StateRecord
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.ports import RunnerTopics, SilentStageTelemetry
from algo_panda.streaming.operators.runner import RunnerOperator
from algo_panda.streaming.operators.versions import StrategyRow, StrategyVersions
from algo_panda.streaming.state_codec import InstrumentRecordCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from tests.oracle.ids import partition_of
from tests.oracle.records import Raw, Schemas
from tests.oracle.runner.differences import TOPICS, runner_differences
from tests.oracle.runner.rules import PROCESSORS as BUILT_IN
from tests.oracle.runner.rules import RunnerRules
from tests.unit.oracle.drafts import START
from tests.unit.oracle.pipeline import Given
from tests.unit.oracle.runner_strategies import PROCESSORS, VALIDATORS

PARTITIONS = 2
TOKENS = (1001, 1002, 1003, 1004)
TOPIC_ID = "yW7cT1vNQ6mTe0tV0k9QaA"
VERSION = "7.0.0"
TICKS_SCHEMA = 1_000_001
SIGNALS_SCHEMA = 1_000_002
CHANGELOG = "runner-state-changelog"
CHECKPOINT = b"\x00checkpoint"
CODECS = load_codecs()
STATES = InstrumentRecordCodec(load_catalogue())
SCHEMAS = Schemas()
NAMES = RunnerTopics(
    ticks="ticks", signals="signals", rejections="rejections", activations="activations"
)
ACTIONS = (
    *("publish",) * 10, *("process",) * 10, *("commit",) * 4, "crash", "crash", "stop", "zombie",
    "change",
)  # fmt: skip


def rows() -> list[StrategyConfig]:
    """Strategies of all kinds, some twice: with one of the package's validators and another one."""
    kinds = [name.removeprefix("unit_") for name in PROCESSORS]
    made: list[StrategyConfig] = []
    for number, kind in enumerate((*kinds, "kept", "halved", "sharing"), 1):
        own = {4: "unit_choosy", 10: "unit_lenient", 11: "unit_choosy", 12: "strict_risk"}
        made.append(
            StrategyConfig(
                id=UUID(int=number),
                strategy_type=f"unit_{kind}",
                parameters={"mood": number, "burst": number % 4, "bar_seconds": 2 + number % 3},
                instruments=TOKENS[: 2 + number % 3],
                active_brokers=None if number % 2 else ("paper",) * (number % 3),
                validator_type=own.get(number),
                zerodha_trading_enabled=number % 3 == 0,
            )
        )
    strict = {"max_quantity": 1, "max_tick_age_seconds": 4, "min_confidence": 0.8}
    made.append(
        StrategyConfig(
            id=UUID(int=99),
            strategy_type="rules_rsi",
            parameters={"period": 3, "confidence": 0.8, "quantity": 1, "validation": strict},
            instruments=TOKENS,
            validator_type="strict_risk",
        )
    )
    return made


class Market:
    """Publishes ticks, and records that are none."""

    def __init__(self, random: Random, tokens: Sequence[int]) -> None:
        self._random = random
        self._tokens = tokens
        self._seconds = 0.0
        self._last: dict[int, dict[str, Any]] = {}

    def record(self) -> tuple[int | None, bytes | None, bytes | None, int, Any]:
        """Return partition (None: that of the key), key, value, time of arrival, headers."""
        random = self._random
        token = random.choice(self._tokens)
        key: bytes | None = b"%d" % token
        self._seconds += random.choice((0, 0.1, 0.5, 1.5))
        fields = {
            "instrument_token": token,
            "event_time": START + timedelta(seconds=self._seconds),
            "last_price": Decimal(10_000 + random.randint(-9, 9)) / 100,
            "last_traded_quantity": random.randint(0, 3),
            "volume_traded": random.choice((0, 0, random.randint(1, 9))),
        }
        arrived_ms = round(START.timestamp() * 1_000 + self._seconds * 1_000)
        arrived_ms += random.choice((0, 100, 4_000, 4_001))
        what = random.randrange(60)
        if what < 6 and token in self._last:
            fields = {**self._last[token]}  # it comes twice
        if what in (29, 30, 31) and token in self._last:  # nearly
            nearly = ("last_traded_quantity", "volume_traded", "last_price")[what - 29]
            fields = {**self._last[token], nearly: self._last[token][nearly] + 1}
        if what in (6, 7, 8, 9):
            fields["event_time"] -= timedelta(seconds=random.choice((0.1, 1, 3, 10)))
        spoilt = {
            10: {"last_price": Decimal(0)},
            11: {"last_price": Decimal(10**10)},
            12: {"last_traded_quantity": -1},
            13: {"volume_traded": -1},
            14: {"event_time": START.replace(year=1989)},
            15: {"event_time": START + timedelta(days=2)},
        }.get(what)
        if spoilt is None:
            self._last[token] = fields
        value: bytes | None = _encoded({**fields, **(spoilt or {})})
        if what in range(16, 22):
            value = (
                None, b"", b"no tick", b"\0\0\0\0\7" + b"x", value[:-2], value + b"!!",
            )[what - 16]  # fmt: skip
        if what == 22:
            value = struct.pack(">bI", 0, SIGNALS_SCHEMA) + value[5:]
        if what in (23, 24):
            key = (None, b"%d" % (token + 1))[what - 23]
        place = random.randrange(PARTITIONS) if what in (25, 26, 27) else None
        headers = (("trace", b"1"), ("empty", None)) if what % 7 == 0 else ()
        return place, key, value, 0 if what == 28 else arrived_ms, headers


def _encoded(fields: Mapping[str, Any]) -> bytes:
    out = BytesIO()
    out.write(struct.pack(">bI", 0, TICKS_SCHEMA))
    fastavro.schemaless_writer(out, SCHEMAS.schema(TICKS_SCHEMA), dict(fields))
    return out.getvalue()


@dataclass
class Topics:
    """Records in memory."""

    records: dict[tuple[str, int], list[Given]] = field(default_factory=dict)

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        timestamp_ms: int = 1,
        headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> None:
        if partition is None:
            partition = partition_of(key or b"", RULES.partitions[topic])
        some = self.records.setdefault((topic, partition), [])
        raw = Raw(partition, len(some), timestamp_ms, key, value, tuple(headers))
        some.append(Given(topic, raw))

    def read(self, topic: str, partition: int, first: int = 0, end: int | None = None) -> Any:
        return self.records.get((topic, partition), [])[first:end]

    def send(self, outputs: Iterable[Output]) -> None:
        for topic, key, value, headers in outputs:
            self.append(topic, key, value, headers=headers)

    def raw(self) -> dict[str, list[Raw]]:
        return {
            name: [given.raw for n in range(RULES.partitions[name]) for given in self.read(name, n)]
            for name in TOPICS
        }


RULES = RunnerRules(
    partitions={name: 1 if name in ("activations", "ticks.dlq") else PARTITIONS for name in TOPICS},
    topic_id=TOPIC_ID,
    app_version=VERSION,
    processors=PROCESSORS,
    validators=VALIDATORS,
)


def _text_of(position: int) -> bytes:
    return json.dumps({"topics": {"ticks": {"next_offset": position}}}).encode()


class Worker:
    """A runner at work on one partition."""

    def __init__(self, pipeline: "Pipeline", partition: int) -> None:
        """Begin at the last commit."""
        self._pipeline = pipeline
        self._topics = pipeline.topics
        self._partition = partition
        self._pending: list[Output] = []
        self._operator = pipeline.operator(partition)
        state: dict[bytes, bytes] = {}
        for record in self._topics.read(CHANGELOG, partition):
            state[record.key()] = record.value()
        checkpoint = json.loads(state.pop(CHECKPOINT, _text_of(0)))
        self.position = checkpoint["topics"]["ticks"]["next_offset"]
        start = Start(
            offsets={"ticks": self.position},
            is_settled=self.position >= pipeline.furthest[partition],
        )
        beginning = self._operator.restore(state, start)
        if beginning.replay is not None:
            replay = beginning.replay
            replay.take(self._topics.read("ticks", partition, replay.first, replay.end))
            replay.finish()
        self.is_outdated = beginning.is_outdated
        self._pending.extend(beginning.announcements)
        if self._pending:
            self.commit()

    def process(self, most: int, *, end: int | None = None) -> int:
        """Process up to so many records; return how many there were."""
        last = self.position + most if end is None else min(self.position + most, end)
        messages: Sequence[Given] = self._topics.read(
            "ticks", self._partition, self.position, max(last, self.position)
        )
        if messages:
            outputs = self._operator.process("ticks", messages)
            self.position += len(messages)
            if self._pipeline.is_exactly_once:
                self._pending.extend(outputs)
            else:
                self._topics.send(outputs)
        return len(messages)

    def crash_while_sending(self, most: int, random: Random) -> None:
        """Process records and send a part of what they give."""
        messages = self._topics.read("ticks", self._partition, self.position, self.position + most)
        if messages and not self._pipeline.is_exactly_once:
            outputs = self._operator.process("ticks", messages)
            self.position += len(messages)
            self._topics.send(outputs[: random.randint(0, len(outputs))])

    def commit(self, between: int = 0, end: int | None = None) -> None:
        """Commit the present state, with ticks processed while it is written down."""
        sent, self._pending = self._pending, []
        position = self.position
        changed: Iterator[StateRecord] = iter(self._operator.changed())
        records = list(islice(changed, 2))
        if between:
            self.process(between, end=end)
        records.extend(changed)
        self._topics.send(sent)
        for key, value in records:
            self._topics.append(CHANGELOG, key, value, partition=self._partition)
        self._topics.append(CHANGELOG, CHECKPOINT, _text_of(position), partition=self._partition)

    def close(self) -> None:
        self._operator.close()


class Pipeline:
    """Two partitions, a market, and a database of strategies."""

    def __init__(
        self,
        seed: int,
        rows: Sequence[StrategyConfig],
        tokens: Sequence[int] = TOKENS,
        quarantine_after: int | None = None,
    ) -> None:
        """Start without ticks.

        Args:
            seed: of everything that happens.
            rows: of the database.
            tokens: instruments that have ticks.
            quarantine_after: failures in a row; None: the seed decides.
        """
        self.random = random = Random(seed)
        self.topics = Topics()
        self.is_exactly_once = random.random() < 0.3
        self.rules = replace(
            RULES,
            quarantine_after=quarantine_after or random.choice((2, 4, 10)),
            drops_duplicates=random.random() < 0.5,
            drops_out_of_order=random.random() < 0.5,
            accepts_misplaced=random.random() < 0.5,
            may_repeat=not self.is_exactly_once,
        )
        self.market = Market(random, tokens)
        self.rows = {row.id: row for row in rows}
        self.versions = list(self.rows.values())
        self.furthest = [0] * PARTITIONS
        """Up to where records may have been answered already."""
        self._factory = _factory()
        self.workers = [Worker(self, number) for number in range(PARTITIONS)]

    # What happens

    def storm(self, actions: int, kinds: Sequence[str] = ACTIONS) -> None:
        """Do so many things at random."""
        for _ in range(actions):
            number = self.random.randrange(PARTITIONS)
            getattr(self, self.random.choice(kinds))(number)

    def settle(self) -> None:
        """Process all there is, and commit it."""
        for number in range(PARTITIONS):
            before = None
            while (now := (self.workers[number], self.workers[number].position)) != before:
                before = now
                while self.process(number):
                    pass
                self.commit(number)
            self.workers[number].commit()

    def differences(self) -> list[str]:
        return runner_differences(self.topics.raw(), replace(self.rules, rows=self.versions))

    def publish(self, _number: int) -> None:
        for _ in range(self.random.randint(1, 12)):
            place, key, value, arrived_ms, headers = self.market.record()
            self.topics.append(
                "ticks", key, value, partition=place, timestamp_ms=arrived_ms, headers=headers
            )

    def process(self, number: int) -> int:
        worker = self.workers[number]
        done = worker.process(self.random.choice((1, 2, 5, 100)), end=self._end(number))
        self._note(number, worker)
        return done

    def commit(self, number: int) -> None:
        worker = self.workers[number]
        worker.commit(self.random.randint(0, 3), self._end(number))
        self._note(number, worker)
        if worker.is_outdated and worker.position >= self.furthest[number]:
            self.stop(number)

    def stop(self, number: int) -> None:
        """Stop a worker, and start another one from where it was."""
        worker = self.workers[number]
        worker.commit()
        worker.close()
        self.workers[number] = Worker(self, number)

    def crash(self, number: int) -> None:
        worker = self.workers[number]
        if not worker.is_outdated:
            worker.crash_while_sending(self.random.randint(0, 5), self.random)
        self._note(number, worker)
        self.workers[number] = Worker(self, number)

    def zombie(self, number: int) -> None:
        """Let another worker take over, while the former one goes on up to its limit."""
        former = self.workers[number]
        limit = former.position + 5
        if self.is_exactly_once or former.is_outdated:
            return
        self.furthest[number] = max(self.furthest[number], limit)
        self.workers[number] = Worker(self, number)
        for _ in range(4):
            former.process(2, end=limit)
            self.process(number)

    def change(self, _number: int) -> None:
        """Change a row: those who start later find it."""
        row = self.random.choice(list(self.rows.values()))
        match self.random.randrange(4):
            case 0:
                mood = {"mood": self.random.randint(0, 9)}
                row = replace(row, parameters={**row.parameters, **mood})
                if row.strategy_type == "rules_rsi":
                    return
            case 1:
                row = replace(row, enabled=not row.enabled)
            case 2:
                tokens = self.random.sample(TOKENS[1:], self.random.randint(0, 3))
                row = replace(row, instruments=(TOKENS[0], *tokens))
            case _:
                pass  # a new version of the same
        self.rows[row.id] = changed = replace(row, version=row.version + 1)
        self.versions.append(changed)

    def _end(self, number: int) -> int | None:
        """Where a worker with old versions has to stop."""
        return self.furthest[number] if self.workers[number].is_outdated else None

    def _note(self, number: int, worker: Worker) -> None:
        self.furthest[number] = max(self.furthest[number], worker.position)

    # The program

    def operator(self, partition: int) -> RunnerOperator:
        """Make what a worker has after its start."""
        policy = {True: TickPolicy.DROP, False: TickPolicy.PROCESS}

        def runner_of(configs: Sequence[StrategyConfig]) -> StrategyRunner:
            runner = StrategyRunner(
                configs=configs,
                factory=self._factory,
                quarantine_after=self.rules.quarantine_after,
                arrival=ArrivalPolicy(
                    duplicates=policy[self.rules.drops_duplicates],
                    out_of_order=policy[self.rules.drops_out_of_order],
                ),
            )
            assert not runner.start().disabled
            return runner

        enabled = [row for row in self.rows.values() if row.enabled]
        return RunnerOperator(
            partition=partition,
            topic_id=TOPIC_ID,
            versions=StrategyVersions(
                current=runner_of(enabled),
                configs=enabled,
                runner_of=runner_of,
                read_rows=self._read_rows,
            ),
            ticks=CODECS.ticks,
            signals=CODECS.signals,
            rejections=CODECS.rejections,
            activations=CODECS.activations,
            states=STATES,
            topics=NAMES,
            dead_letters=DeadLetterWriter(
                topics={"ticks": "ticks.dlq"},
                telemetry=SilentStageTelemetry(),
                app_version=VERSION,
            ),
            telemetry=SilentStageTelemetry(),
            partition_of=partial(partition_of, partitions=PARTITIONS),
            accepts_misplaced=self.rules.accepts_misplaced,
        )

    def _read_rows(self) -> Mapping[UUID, StrategyRow]:
        return {row.id: StrategyRow(row.enabled, None) for row in self.rows.values()}


def _factory() -> StrategyFactory:
    """Make what knows all types; it is the same for all workers, as it keeps no state of them."""
    factory = StrategyFactory()
    for name, path in {**BUILT_IN, **PROCESSORS}.items():
        factory.register_processor(name, path)
    for name, path in VALIDATORS.items():
        factory.register_validator(name, path)
    for name in ("standard", "strict_risk"):
        factory.register_validator(name, f"algo_panda.validation.{name}.create_validator")
    return factory
