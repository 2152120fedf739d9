"""Wires the runner: ticks in, signals out."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from algo_panda.bootstrap.arrival import arrival_policy
from algo_panda.bootstrap.strategies import StrategyCode
from algo_panda.bootstrap.wiring import Program, Wiring
from algo_panda.domain.config import StrategyConfig
from algo_panda.kafka.placement import partition_of
from algo_panda.runner.ports import StatusSink, TickTracer
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from algo_panda.store.acceptance import factory_check
from algo_panda.store.database import Database
from algo_panda.store.identity import database_id
from algo_panda.store.repository import Check
from algo_panda.store.sql import SqlStrategyRepository
from algo_panda.store.sql_status import SqlStatusRepository
from algo_panda.store.status_writer import StatusWriter
from algo_panda.streaming.operator import PartitionOperator, StreamSpec
from algo_panda.streaming.operators.origin import OriginPolicy
from algo_panda.streaming.operators.ports import RunnerTopics
from algo_panda.streaming.operators.runner import RunnerOperator
from algo_panda.streaming.operators.versions import (
    MissingStrategiesError,
    StrategyRow,
    StrategyVersions,
)
from algo_panda.streaming.state_codec import RUNNER_CHANGELOG, InstrumentRecordCodec
from algo_panda.wire.catalogue import load_catalogue

logger = logging.getLogger(__name__)


def _wire(wiring: Wiring, stack: contextlib.ExitStack) -> StreamSpec:
    versions = _versions(wiring, stack)
    states = InstrumentRecordCodec(load_catalogue())
    dead_letters = wiring.dead_letters()
    topics = RunnerTopics(
        ticks=wiring.on_broker("ticks"),
        signals=wiring.on_broker("signals"),
        rejections=wiring.on_broker("rejections"),
        activations=wiring.on_broker("activations"),
    )

    partitions = wiring.declared["ticks"].partitions

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
            partition_of=partial(partition_of, partitions=partitions),
            accepts_misplaced=wiring.settings.misplaced_ticks == "process",
        )

    return wiring.spec("runner", ("ticks",), RUNNER_CHANGELOG, create)


def _versions(wiring: Wiring, stack: contextlib.ExitStack) -> StrategyVersions:
    """Load the strategies of the database, and prepare to run recorded versions of them."""
    settings = wiring.settings
    database = stack.enter_context(Database(settings.effective_database_url))
    code = StrategyCode(settings)
    factory = code.factory
    status = stack.enter_context(
        StatusWriter(
            SqlStatusRepository(database, clock=_now),
            worker=wiring.worker,
            count_pending=wiring.telemetry.statuses_pending,
        )
    )
    wiring.health.watch(lambda: status.trouble)
    arrival = arrival_policy(settings)
    runner = StrategyRunner(
        configs=_usable(database, factory_check(factory), status),
        factory=factory,
        telemetry=wiring.telemetry,
        status=status,
        quarantine_after=settings.quarantine_after,
        tracer=_tracer(settings, stack),
        arrival=arrival,
    )
    report = runner.start()
    stack.callback(runner.stop)

    def runner_of(configs: Sequence[StrategyConfig]) -> StrategyRunner:
        other = StrategyRunner(
            configs=configs,
            factory=factory,
            telemetry=wiring.telemetry.of_recorded_versions(),
            quarantine_after=settings.quarantine_after,
            arrival=arrival,
        )
        started = other.start()
        stack.callback(other.stop)
        if started.disabled:
            missing = [(one.config, one.reason) for one in started.disabled]
            raise MissingStrategiesError("the recorded state", missing)
        return other

    return StrategyVersions(
        current=runner,
        configs=[registered.config for registered in report.registered],
        runner_of=runner_of,
        disabled={one.config.id: one.reason for one in report.disabled},
        read_rows=lambda: _rows(database, factory_check(factory)),
        origin=OriginPolicy(database=database_id(database), code_of=code.of),
    )


def _rows(database: Database, check: Check) -> Mapping[UUID, StrategyRow]:
    """Read all rows, those that cannot be used included."""
    listed = SqlStrategyRepository(database, check=check, clock=_now).list()
    rows = {row.config.id: StrategyRow(row.config.enabled, None) for row in listed.usable}
    for row in listed.unusable:
        status = row.status
        if status is not None:
            rows[status.strategy_id] = StrategyRow(row.enabled is not False, row.reason)
    return rows


def _usable(database: Database, check: Check, status: StatusSink) -> Iterator[StrategyConfig]:
    """Yield the strategies that can be used; log and report the others."""
    loaded = SqlStrategyRepository(database, check=check, clock=_now).load()
    for row in loaded.unusable:
        logger.error("strategy row %s cannot be used and does not run: %s", row.id, row.reason)
        said = row.status
        if said is not None:
            status.report(said)
    yield from loaded.usable


def _tracer(settings: Settings, stack: contextlib.ExitStack) -> TickTracer | None:
    if settings.tracing_endpoint is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from algo_panda.observability.tracing import OpenTelemetryTracer

    tracer = OpenTelemetryTracer(
        OTLPSpanExporter(endpoint=settings.tracing_endpoint),
        service="panda-runner",
        ratio=settings.tracing_ratio,
    )
    stack.callback(tracer.close)
    return tracer


def _now() -> datetime:
    return datetime.now(UTC)


RUNNER = Program(
    topics=("ticks", "signals", "rejections", "activations", "ticks.dlq", RUNNER_CHANGELOG),
    wire=_wire,
)
