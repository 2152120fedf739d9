"""Puts the worker programs together."""

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry

from app.bootstrap.strategies import build_factory
from app.brokers.paper.broker import PaperBroker
from app.domain.config import StrategyConfig
from app.domain.trading import TradingState
from app.execution.router import OrderRouter
from app.kafka.admin import topic_ids
from app.kafka.connection import connect
from app.kafka.declarations import TopicDeclaration, declared_topics
from app.kafka.dev_broker import resolve_bootstrap_servers
from app.kafka.partitioner import producer_config
from app.kafka.topic_diff import verify_topics
from app.observability.catalogue import Catalogue as MetricCatalogue
from app.observability.logs import configure_logging
from app.observability.server import serve_metrics
from app.observability.telemetry import PrometheusTelemetry
from app.risk.checks import RiskLimits
from app.risk.engine import RiskEngine
from app.runner.ports import StatusSink, TickTracer
from app.runner.runner import StrategyRunner
from app.settings import Settings
from app.store.acceptance import factory_check
from app.store.database import Database
from app.store.repository import Check
from app.store.sql import SqlStrategyRepository
from app.store.sql_status import SqlStatusRepository
from app.store.status_writer import StatusWriter
from app.streaming.control import ControlWatcher, TradingStates
from app.streaming.operator import (
    ConnectionSettings,
    Delivery,
    OperatorFactory,
    PartitionOperator,
    Probe,
    StreamSpec,
    no_probe,
)
from app.streaming.operators.dead_letters import DeadLetterWriter
from app.streaming.operators.risk import RiskOperator
from app.streaming.operators.router import RouterOperator
from app.streaming.operators.runner import RunnerOperator, RunnerTopics
from app.streaming.operators.versions import StrategyVersions
from app.streaming.state_codec import (
    RISK_CHANGELOG,
    ROUTER_CHANGELOG,
    RUNNER_CHANGELOG,
    InstrumentRecordCodec,
    RiskStateCodec,
    RouteRecordCodec,
)
from app.streaming.worker import run_worker
from app.wire.catalogue import load_catalogue
from app.wire.codecs import Codecs, load_codecs
from app.wire.dead_letter import SUFFIX

logger = logging.getLogger(__name__)

_STAGE_CHECKPOINT_SECONDS = 0.05
"""Risk and router send what they decide with their checkpoint, so theirs come often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wiring:
    """What the three programs share."""

    settings: Settings
    bootstrap_servers: str
    declared: Mapping[str, TopicDeclaration]
    read_topic_ids: Callable[[], Mapping[str, str]]
    codecs: Codecs
    telemetry: PrometheusTelemetry

    def on_broker(self, name: str) -> str:
        return self.declared[name].on_broker

    def dead_letters(self) -> DeadLetterWriter:
        return DeadLetterWriter(
            topics={d.on_broker: f"{d.on_broker}{SUFFIX}" for d in self.declared.values()},
            telemetry=self.telemetry,
            app_version=version("algo-panda"),
        )

    def spec(
        self, program: str, inputs: tuple[str, ...], changelog: str, create: OperatorFactory
    ) -> StreamSpec:
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
        )


_TOPICS: Mapping[str, tuple[str, ...]] = {
    "runner": (
        "ticks",
        "signals",
        "rejections",
        "activations",
        "ticks.dlq",
        RUNNER_CHANGELOG,
    ),
    "risk": (
        "signals",
        "executions",
        "orders",
        "rejections",
        "control",
        "signals.dlq",
        "executions.dlq",
        RISK_CHANGELOG,
    ),
    "router": ("orders", "executions", "rejections", "control", "orders.dlq", ROUTER_CHANGELOG),
}


async def run_program(
    program: str, settings: Settings, *, instance_id: str | None, probe: Probe = no_probe
) -> None:
    """Run ``runner``, ``risk`` or ``router`` until it is told to stop.

    Args:
        program: which of them.
        settings: of this process.
        instance_id: a name of this worker in its consumer group, for static membership.
        probe: hears of every step of a checkpoint.

    Raises:
        PandaError: something that it needs is missing or refuses it; the message says what.
    """
    worker = instance_id or socket.gethostname()
    configure_logging(settings.log_level, settings.log_format, program=program, worker=worker)
    registry = CollectorRegistry()
    telemetry = PrometheusTelemetry(MetricCatalogue(registry))
    wiring = _wire(program, settings, telemetry)
    with contextlib.ExitStack() as stack:
        spec = _PROGRAMS[program](wiring, worker, stack)
        port = stack.enter_context(
            serve_metrics(registry, settings.metrics_host, settings.metrics_port)
        )
        logger.info("%s: metrics on http://%s:%d/metrics", program, settings.metrics_host, port)
        await run_worker(
            spec=spec,
            connection=ConnectionSettings(
                bootstrap_servers=wiring.bootstrap_servers,
                session_timeout=settings.kafka_session_timeout_seconds,
                instance_id=instance_id,
            ),
            producer_config=producer_config(
                wiring.bootstrap_servers, linger_ms=2, compression_type="lz4"
            ),
            read_topic_ids=wiring.read_topic_ids,
            telemetry=telemetry,
            on_ready=lambda: logger.info("%s is ready", program),
            probe=probe,
        )


def _wire(program: str, settings: Settings, telemetry: PrometheusTelemetry) -> _Wiring:
    bootstrap_servers = resolve_bootstrap_servers(settings)
    admin = connect(bootstrap_servers)
    declared = declared_topics(settings)
    names = _TOPICS[program]
    verify_topics(admin, declared, names)
    return _Wiring(
        settings=settings,
        bootstrap_servers=bootstrap_servers,
        declared=declared,
        read_topic_ids=lambda: topic_ids(admin, [declared[name].on_broker for name in names]),
        codecs=load_codecs(
            registry_url=settings.schema_registry_url, topic_prefix=settings.topic_prefix
        ),
        telemetry=telemetry,
    )


def _runner(wiring: _Wiring, worker: str, stack: contextlib.ExitStack) -> StreamSpec:
    settings = wiring.settings
    database = stack.enter_context(Database(settings.effective_database_url))
    factory = build_factory(settings)
    status = stack.enter_context(
        StatusWriter(SqlStatusRepository(database, clock=_now), worker=worker)
    )
    runner = StrategyRunner(
        configs=_usable(database, factory_check(factory), status),
        factory=factory,
        telemetry=wiring.telemetry,
        status=status,
        quarantine_after=settings.quarantine_after,
        tracer=_tracer(settings, stack),
    )
    report = runner.start()
    stack.callback(runner.stop)

    def runner_of(configs: Sequence[StrategyConfig]) -> StrategyRunner:
        other = StrategyRunner(
            configs=configs, factory=factory, quarantine_after=settings.quarantine_after
        )
        other.start()
        stack.callback(other.stop)
        return other

    versions = StrategyVersions(
        current=runner,
        configs=[registered.config for registered in report.registered],
        runner_of=runner_of,
    )
    states = InstrumentRecordCodec(load_catalogue())
    dead_letters = wiring.dead_letters()
    topics = RunnerTopics(
        ticks=wiring.on_broker("ticks"),
        signals=wiring.on_broker("signals"),
        rejections=wiring.on_broker("rejections"),
        activations=wiring.on_broker("activations"),
    )

    def create(partition: int, ids: Mapping[str, str]) -> PartitionOperator:
        return RunnerOperator(
            partition=partition,
            topic_id=ids[topics.ticks],
            versions=versions,
            ticks=wiring.codecs.ticks,
            signals=wiring.codecs.signals,
            rejections=wiring.codecs.rejections,
            activations=wiring.codecs.activations,
            states=states,
            topics=topics,
            dead_letters=dead_letters,
            telemetry=wiring.telemetry,
        )

    return wiring.spec("runner", ("ticks",), RUNNER_CHANGELOG, create)


def _risk(wiring: _Wiring, worker: str, stack: contextlib.ExitStack) -> StreamSpec:  # noqa: ARG001 - one shape for all three
    settings = wiring.settings
    trading_state = _trading_states(wiring, stack)
    limits = RiskLimits(
        max_quantity=settings.risk_max_quantity,
        max_notional=settings.risk_max_notional,
        max_position=settings.risk_max_position,
    )
    states = RiskStateCodec(load_catalogue())
    dead_letters = wiring.dead_letters()

    def create(partition: int, ids: Mapping[str, str]) -> PartitionOperator:  # noqa: ARG001
        return RiskOperator(
            engine=RiskEngine(
                limits=limits, account_for=settings.account_for, trading_state=trading_state
            ),
            signals=wiring.codecs.signals,
            executions=wiring.codecs.executions,
            orders=wiring.codecs.orders,
            rejections=wiring.codecs.rejections,
            states=states,
            signals_topic=wiring.on_broker("signals"),
            orders_topic=wiring.on_broker("orders"),
            rejections_topic=wiring.on_broker("rejections"),
            dead_letters=dead_letters,
            telemetry=wiring.telemetry,
        )

    return wiring.spec("risk", ("signals", "executions"), RISK_CHANGELOG, create)


def _router(wiring: _Wiring, worker: str, stack: contextlib.ExitStack) -> StreamSpec:  # noqa: ARG001
    trading_state = _trading_states(wiring, stack)
    brokers = {"paper": PaperBroker()}
    states = RouteRecordCodec(load_catalogue())
    dead_letters = wiring.dead_letters()

    def create(partition: int, ids: Mapping[str, str]) -> PartitionOperator:  # noqa: ARG001
        return RouterOperator(
            router=OrderRouter(brokers=brokers, trading_state=trading_state),
            orders=wiring.codecs.orders,
            executions=wiring.codecs.executions,
            rejections=wiring.codecs.rejections,
            states=states,
            executions_topic=wiring.on_broker("executions"),
            rejections_topic=wiring.on_broker("rejections"),
            dead_letters=dead_letters,
            telemetry=wiring.telemetry,
        )

    return wiring.spec("router", ("orders",), ROUTER_CHANGELOG, create)


_PROGRAMS: Mapping[str, Callable[[_Wiring, str, contextlib.ExitStack], StreamSpec]] = {
    "runner": _runner,
    "risk": _risk,
    "router": _router,
}


def _usable(database: Database, check: Check, status: StatusSink) -> Iterator[StrategyConfig]:
    """The strategies that can be used; the others are reported, and stop nobody."""
    loaded = SqlStrategyRepository(database, check=check, clock=_now).load()
    for row in loaded.unusable:
        logger.error("strategy row %s cannot be used: %s", row.id, row.reason)
        said = row.status
        if said is not None:
            status.report(said)
    yield from loaded.usable


def _trading_states(wiring: _Wiring, stack: contextlib.ExitStack) -> Callable[[str], TradingState]:
    states = TradingStates()
    stack.enter_context(
        ControlWatcher(
            bootstrap_servers=wiring.bootstrap_servers,
            topic=wiring.on_broker("control"),
            decoder=wiring.codecs.control,
            states=states,
        )
    )
    return states.of


def _tracer(settings: Settings, stack: contextlib.ExitStack) -> TickTracer | None:
    if settings.tracing_endpoint is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from app.observability.tracing import OpenTelemetryTracer

    tracer = OpenTelemetryTracer(
        OTLPSpanExporter(endpoint=settings.tracing_endpoint),
        service="panda-runner",
        ratio=settings.tracing_ratio,
    )
    stack.callback(tracer.close)
    return tracer


def _now() -> datetime:
    return datetime.now(UTC)
