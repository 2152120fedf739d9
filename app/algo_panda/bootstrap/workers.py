"""Runs the worker programs."""

import contextlib
import logging
import socket
from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from algo_panda.bootstrap.paper import PAPER
from algo_panda.bootstrap.risk import RISK
from algo_panda.bootstrap.router import ROUTER
from algo_panda.bootstrap.runner import RUNNER
from algo_panda.bootstrap.wiring import Program, wire
from algo_panda.kafka.ends import EndReader
from algo_panda.observability.catalogue import Catalogue as MetricCatalogue
from algo_panda.observability.health import HealthBoard
from algo_panda.observability.logs import configure_logging
from algo_panda.observability.server import serve_metrics
from algo_panda.observability.telemetry import PrometheusTelemetry
from algo_panda.settings import Settings
from algo_panda.streaming.operator import ConnectionSettings, Probe, no_probe
from algo_panda.streaming.watchdog import StallPolicy
from algo_panda.streaming.worker import run_worker

logger = logging.getLogger(__name__)

_PROGRAMS: Mapping[str, Program] = {
    "runner": RUNNER,
    "risk": RISK,
    "router": ROUTER,
    "paper": PAPER,
}


async def run_program(
    program: str, settings: Settings, *, instance_id: str | None, probe: Probe = no_probe
) -> None:
    """Run ``runner``, ``risk``, ``router`` or ``paper`` until it is told to stop.

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
    health = HealthBoard()
    chosen = _PROGRAMS[program]
    wiring = wire(chosen.topics, settings, worker=worker, telemetry=telemetry)
    with contextlib.ExitStack() as stack:
        spec = chosen.wire(wiring, stack)
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
            read_ends=EndReader(wiring.connection),
            telemetry=telemetry,
            stall=StallPolicy(
                seconds=settings.stall_seconds + spec.checkpoint_interval,
                exits=settings.exit_on_stall,
            ),
            publish_health=health.write,
            on_ready=lambda: logger.info("%s is ready", program),
            probe=probe,
        )
