"""Runs the worker programs."""

import contextlib
import logging
import socket
from importlib import import_module
from typing import cast

from prometheus_client import CollectorRegistry

from algo_panda.bootstrap.wiring import Program, wire
from algo_panda.kafka.ends import EndReader
from algo_panda.observability.catalogue import Catalogue as MetricCatalogue
from algo_panda.observability.health import HealthBoard
from algo_panda.observability.kept import keeping_process, restore_process
from algo_panda.observability.logs import configure_logging
from algo_panda.observability.server import serve_metrics
from algo_panda.observability.telemetry import PrometheusTelemetry
from algo_panda.settings import Settings
from algo_panda.streaming.operator import ConnectionSettings, Probe, no_probe
from algo_panda.streaming.watchdog import StallPolicy
from algo_panda.streaming.worker import run_worker

logger = logging.getLogger(__name__)


def load_program(program: str) -> Program:
    """Import the module of a program, and return what it declares.

    Each program imports what it alone needs: the database is the runner's.

    Args:
        program: ``runner``, ``risk``, ``router`` or ``paper``.
    """
    module = import_module(f"algo_panda.bootstrap.{program}")
    return cast("Program", getattr(module, program.upper()))


async def run_program(
    program: str, settings: Settings, *, instance_id: str | None, probe: Probe = no_probe
) -> None:
    """Run ``runner``, ``risk``, ``router`` or ``paper`` until SIGTERM or SIGINT.

    Args:
        program: name of the program.
        settings: of this process.
        instance_id: a name of this worker in its consumer group, for static membership.
        probe: called after every step of opening or of a checkpoint.

    Raises:
        PandaError: the worker cannot start or continue; the message says why.
    """
    worker = instance_id or socket.gethostname()
    settings = settings.with_absolute_paths()
    handler = configure_logging(
        settings.log_level, settings.log_format, program=program, worker=worker
    )
    registry = CollectorRegistry()
    telemetry = PrometheusTelemetry(MetricCatalogue(registry))
    health = HealthBoard()
    chosen = load_program(program)
    wiring = wire(chosen.topics, settings, worker=worker, telemetry=telemetry, health=health)
    with contextlib.ExitStack() as stack:
        stack.enter_context(keeping_process(handler))
        spec = chosen.wire(wiring, stack)
        restore_process()
        port = stack.enter_context(
            serve_metrics(registry, settings.metrics_host, settings.metrics_port, health.read)
        )
        logger.info("%s: metrics on http://%s:%d/metrics", program, settings.metrics_host, port)
        await run_worker(
            spec=spec,
            connection=ConnectionSettings(
                kafka=wiring.connection,
                session_timeout=settings.kafka_session_timeout_seconds,
                instance_id=instance_id,
            ),
            read_topic_ids=wiring.read_topic_ids,
            make_read_ends=lambda: EndReader(wiring.connection),
            telemetry=telemetry,
            stall=StallPolicy(
                seconds=settings.stall_seconds + spec.checkpoint_interval,
                exits=settings.exit_on_stall,
            ),
            health=health,
            on_ready=lambda: logger.info("%s is ready", program),
            probe=probe,
        )
