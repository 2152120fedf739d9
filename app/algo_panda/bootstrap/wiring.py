"""Parts that all worker programs share."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.domain.time_to_live import TimeToLive
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import connect
from algo_panda.kafka.declarations import TopicDeclaration, declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.topic_diff import read_topic_ids, verify_topics
from algo_panda.observability.health import HealthBoard
from algo_panda.observability.telemetry import PrometheusTelemetry
from algo_panda.settings import Settings
from algo_panda.streaming.control import ControlWatcher, TradingStates
from algo_panda.streaming.operator import Delivery, OperatorFactory, StreamSpec, always, nothing
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.wire.codecs import Codecs
from algo_panda.wire.dead_letter import SUFFIX

PAST_BROKERS = ("paper",)
"""Brokers that may trade on past ticks, if the settings say so."""

_STAGE_CHECKPOINT_SECONDS = 0.05
"""Risk, router and paper venue send outputs with their checkpoints, so these are frequent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Parts that all programs share."""

    settings: Settings
    worker: str
    """Name of this process in the status of strategies."""
    connection: KafkaConnection
    declared: Mapping[str, TopicDeclaration]
    read_topic_ids: Callable[[], Mapping[str, str]]
    codecs: Codecs
    telemetry: PrometheusTelemetry
    health: HealthBoard

    def on_broker(self, name: str) -> str:
        """Return the name on the broker of the topic declared as ``name``."""
        return self.declared[name].on_broker

    def dead_letters(self) -> DeadLetterWriter:
        """Return a writer of dead letters for any topic."""
        return DeadLetterWriter(
            topics={d.on_broker: f"{d.on_broker}{SUFFIX}" for d in self.declared.values()},
            telemetry=self.telemetry,
            app_version=version("algo-panda"),
        )

    def trading_states(self, stack: contextlib.ExitStack) -> TradingStates:
        """Return the trading states of all accounts, which are followed until ``stack`` is closed.

        While ``control`` cannot be read, every account is HALTED.
        """
        states = TradingStates(time.monotonic, self.settings.control_timeout_seconds)
        watcher = stack.enter_context(
            ControlWatcher(
                connection=self.connection,
                topic=self.on_broker("control"),
                decoder=self.codecs.control,
                states=states,
                accounts=self.settings.known_accounts,
            )
        )
        self.health.watch(lambda: watcher.trouble)
        return states

    def spec(
        self,
        program: str,
        inputs: tuple[str, ...],
        changelog: str,
        create: OperatorFactory,
        *,
        from_the_end: tuple[str, ...] = (),
        leading: tuple[str, ...] = (),
        trading_states: TradingStates | None = None,
        begin_batch: Callable[[], None] = nothing,
    ) -> StreamSpec:
        """Build the description of ``program``."""
        is_runner = program == "runner"
        return StreamSpec(
            group=f"{self.settings.topic_prefix}panda-{program}",
            inputs=tuple(map(self.on_broker, inputs)),
            changelog=self.on_broker(changelog),
            partitions=self.declared[inputs[0]].partitions,
            delivery=Delivery(self.settings.delivery) if is_runner else Delivery.EXACTLY_ONCE,
            checkpoint_interval=(
                self.settings.checkpoint_interval_seconds
                if is_runner
                else _STAGE_CHECKPOINT_SECONDS
            ),
            create=create,
            from_the_end=tuple(map(self.on_broker, from_the_end)),
            leading=tuple(map(self.on_broker, leading)),
            begin_batch=begin_batch,
            is_control_current=always if trading_states is None else trading_states.is_current,
        )


def now_us() -> int:
    """Return the present time, microseconds since the epoch."""
    return time.time_ns() // 1000


def time_to_live(settings: Settings) -> TimeToLive:
    """Return the limit on the age of signals and orders."""
    return TimeToLive(
        seconds=settings.signal_ttl_seconds,
        past_brokers=PAST_BROKERS if settings.paper_accepts_past_ticks else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A worker program."""

    topics: tuple[str, ...]
    """Topics that it reads or writes, by their declared names."""
    wire: Callable[[Wiring, contextlib.ExitStack], StreamSpec]
    """Builds it; resources to close at its end are pushed onto the stack."""


def wire(
    topics: tuple[str, ...],
    settings: Settings,
    *,
    worker: str,
    telemetry: PrometheusTelemetry,
    health: HealthBoard,
) -> Wiring:
    """Connect to the broker, and check that ``topics`` are as declared.

    Raises:
        PandaError: the broker is not there, or a topic or a schema is not as it should be.
    """
    connection = kafka_connection(settings)
    admin = connect(connection)
    declared = declared_topics(settings)
    verify_topics(admin, declared, topics)
    return Wiring(
        settings=settings,
        worker=worker,
        connection=connection,
        declared=declared,
        read_topic_ids=lambda: read_topic_ids(admin, [declared[name] for name in topics]),
        codecs=codecs_of(settings),
        telemetry=telemetry,
        health=health,
    )
