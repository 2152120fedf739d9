"""The program itself in one uninterrupted, single-threaded pass over the recorded ticks.

What crashed and restarted workers left has to equal it byte by byte. A fault of the program that
needs no crash is in both; ``tests/oracle`` looks for those.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from confluent_kafka import Message

from algo_panda.bootstrap import build_factory
from algo_panda.bootstrap.arrival import arrival_policy
from algo_panda.bootstrap.paper import fee_schedule, fill_model
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import Activation, ExecutionReport, Order
from algo_panda.kafka.admin import connect, partition_counts, topic_ids
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.placement import partition_of
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from algo_panda.streaming.operator import Output, Start
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.ports import RunnerTopics, SilentStageTelemetry
from algo_panda.streaming.operators.runner import RunnerOperator
from algo_panda.streaming.operators.versions import STRATEGIES_KEY, StrategyVersions
from algo_panda.streaming.state_codec import InstrumentRecordCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.errors import WireError
from tests.chaos.strategies import KEPT


class Expected(NamedTuple):
    """All that is to be on the topics in the end."""

    outputs: frozenset[Output]
    """Signals, rejections and dead letters."""
    state: Mapping[int, Mapping[bytes, bytes]]
    """The last value of every instrument's key, by partition."""


class UninterruptedPass:
    """Runs the operator of each partition over all its records, once, without an engine."""

    def __init__(self, settings: Settings, app_version: str | None = None) -> None:
        self._settings = settings
        self._codecs = load_codecs()
        self._factory = build_factory(settings)
        # What has no snapshot is rebuilt by the workers; here it goes on, and nothing is replayed.
        for name, path in KEPT.items():
            self._factory.register_processor(name, path)
        self._states = InstrumentRecordCodec(load_catalogue())
        self._topics = RunnerTopics(
            **{name: settings.topic(name) for name in RunnerTopics.__slots__}
        )
        admin = connect(kafka_connection(settings))
        self._topic_id = topic_ids(admin, [self._topics.ticks])[self._topics.ticks]
        self._partitions = partition_counts(admin, [self._topics.ticks])[self._topics.ticks]
        self._app_version = app_version or version("algo-panda")

    def expect(
        self,
        ticks: Mapping[int, Sequence[Message]],
        configs: Sequence[StrategyConfig],
        activations: Iterable[Activation],
    ) -> Expected:
        """Run the versions that ``activations`` name, each from the offset it names.

        Args:
            ticks: the records of ``ticks``, by partition.
            configs: every version of every strategy there was, in the order of the database.
            activations: the records of ``activations``, in their order.
        """
        outputs: set[Output] = set()
        state: dict[int, Mapping[bytes, bytes]] = {}
        begun = list(activations)
        for partition, messages in ticks.items():
            mine = [a for a in begun if a.tick_partition == partition]
            said, kept = self._pass(partition, messages, configs, mine)
            state[partition] = {
                key: self._as_recorded(value, configs) for key, value in kept.items()
            }
            outputs.update(output._replace(headers=tuple(output.headers)) for output in said)
        return Expected(frozenset(outputs), state)

    def fill(
        self, orders: Sequence[Order], ticks: Mapping[int, Sequence[Message]]
    ) -> list[ExecutionReport]:
        """What becomes of ``orders`` on paper, each alone with the ticks behind its own."""
        behind = {partition: self._by_token(messages) for partition, messages in ticks.items()}
        venue = PaperVenue(
            topic_id=self._topic_id,
            model=fill_model(self._settings),
            fees=fee_schedule(self._settings),
        )
        reports: list[ExecutionReport] = []
        for order in orders:
            reports.extend(venue.on_order(order))
            missed = behind[order.tick_partition].get(order.instrument_token, [])
            first = bisect_right(missed, order.tick_offset, key=itemgetter(0))
            reports.extend(venue.on_missed(order, missed[first:]))
        return reports

    def _by_token(self, messages: Iterable[Message]) -> dict[int, list[tuple[int, MarketTick]]]:
        found: dict[int, list[tuple[int, MarketTick]]] = {}
        for message in messages:
            with suppress(WireError):
                tick = self._codecs.ticks.decode(message.value())
                assert message.key() == instrument_key(tick.instrument_token)
                found.setdefault(tick.instrument_token, []).append((message.offset(), tick))
        return found

    def _pass(
        self,
        partition: int,
        messages: Sequence[Message],
        configs: Sequence[StrategyConfig],
        activations: Sequence[Activation],
    ) -> tuple[list[Output], Mapping[bytes, bytes]]:
        said: list[Output] = []
        state: dict[bytes, bytes] = {}
        active: set[tuple[str, int]] = set()
        offsets = [(at, list(some)) for at, some in groupby(activations, lambda a: a.tick_offset)]
        assert [at for at, _ in offsets] == sorted({at for at, _ in offsets})
        for (start, some), end in zip(offsets, [*(at for at, _ in offsets[1:]), None], strict=True):
            for activation in some:
                version_of = (activation.strategy_id, activation.strategy_version)
                (active.add if activation.active else active.remove)(version_of)
            running = [c for c in configs if (str(c.id), c.version) in active]
            mine = [
                m for m in messages if m.offset() >= start and (end is None or m.offset() < end)
            ]
            operator = self._operator(partition, running)
            beginning = operator.restore(
                state, Start(offsets={self._topics.ticks: start}, is_settled=True)
            )
            assert beginning.replay is None
            said.extend(operator.process(self._topics.ticks, mine))
            changed = {r.key: r.value for r in operator.changed() if r.value is not None}
            changed.pop(STRATEGIES_KEY, None)
            state.update(changed)
            operator.close()
        return said, state

    def _as_recorded(self, value: bytes, configs: Iterable[StrategyConfig]) -> bytes:
        """A record without the snapshots that workers have none of."""
        without = {str(config.id) for config in configs if config.strategy_type in KEPT}
        record = self._states.decode(value)
        states = (
            state._replace(processor=None) if state.strategy_id in without else state
            for state in record.strategies
        )
        return self._states.encode(record._replace(strategies=tuple(states)))

    def _operator(self, partition: int, configs: Sequence[StrategyConfig]) -> RunnerOperator:
        def runner_of(wanted: Sequence[StrategyConfig]) -> StrategyRunner:
            runner = StrategyRunner(
                configs=wanted,
                factory=self._factory,
                quarantine_after=self._settings.quarantine_after,
                arrival=arrival_policy(self._settings),
            )
            runner.start()
            return runner

        topics, codecs = self._topics, self._codecs
        return RunnerOperator(
            partition=partition,
            topic_id=self._topic_id,
            versions=StrategyVersions(
                current=runner_of(configs), configs=configs, runner_of=runner_of
            ),
            ticks=codecs.ticks,
            signals=codecs.signals,
            rejections=codecs.rejections,
            activations=codecs.activations,
            states=self._states,
            topics=topics,
            dead_letters=DeadLetterWriter(
                topics={topics.ticks: f"{topics.ticks}.dlq"},
                telemetry=SilentStageTelemetry(),
                app_version=self._app_version,
            ),
            telemetry=SilentStageTelemetry(),
            partition_of=partial(partition_of, partitions=self._partitions),
            accepts_misplaced=self._settings.misplaced_ticks == "process",
        )
