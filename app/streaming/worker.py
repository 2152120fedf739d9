"""Runs one worker program until it is told to stop, or cannot go on."""

import asyncio
import contextlib
import logging
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.streaming.engine import StreamEngine
from app.streaming.faust_app import BatchConsumer, StreamApp, build_app
from app.streaming.operator import ConnectionSettings, StreamSpec
from app.streaming.telemetry import StreamTelemetry

logger = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run_worker(
    *,
    spec: StreamSpec,
    connection: ConnectionSettings,
    producer_config: Mapping[str, str | int | float | bool],
    topic_ids: Mapping[str, str],
    telemetry: StreamTelemetry,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Run until SIGTERM or SIGINT: then checkpoint, leave the group, return.

    Raises:
        PandaError: the broker refuses something for good, or state and topics do not fit.
        Exception: a defect; the state on the broker is that of the last checkpoint.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="panda-faust-") as folder:
        app = build_app(spec, connection, Path(folder))
        app.engine = engine = StreamEngine(
            spec=spec,
            connection=connection,
            producer_config=producer_config,
            topic_ids=topic_ids,
            telemetry=telemetry,
        )
        try:
            await _run(app, engine, spec, stop, on_ready)
        finally:
            engine.close()
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)
    if engine.failure.done():
        raise engine.failure.result()


async def _run(
    app: StreamApp,
    engine: StreamEngine,
    spec: StreamSpec,
    stop: asyncio.Event,
    on_ready: Callable[[], None],
) -> None:
    app.finalize()
    starting = asyncio.ensure_future(app.start())
    crashed = asyncio.ensure_future(_watch(app, engine))
    stopping = asyncio.ensure_future(stop.wait())
    checkpoints = asyncio.ensure_future(_checkpoint_regularly(app, spec.checkpoint_interval))
    try:
        ends: list[asyncio.Future[Any]] = [stopping, engine.failure]
        await asyncio.wait([starting, *ends], return_when=asyncio.FIRST_COMPLETED)
        if not any(end.done() for end in ends):
            on_ready()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        logger.info("%s stops", spec.group)
    finally:
        for task in (checkpoints, crashed, stopping):
            task.cancel()
        await asyncio.gather(checkpoints, crashed, stopping, return_exceptions=True)
        if not engine.failure.done():
            with contextlib.suppress(Exception):  # it is in engine.failure, which is raised
                await engine.hand_over([one.partition for one in engine.ownership.partitions()])
        await app.stop()
        await asyncio.gather(starting, return_exceptions=True)


async def _checkpoint_regularly(app: StreamApp, interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        await app.engine.checkpoint_all()
        consumer = app.consumer
        if isinstance(consumer, BatchConsumer):
            await consumer.commit_durable()


async def _watch(app: StreamApp, engine: StreamEngine) -> None:
    """Faust keeps the reason of a crash to itself."""
    while True:
        await asyncio.sleep(0.1)
        reason = app.crash_reason
        if reason is not None:
            engine.fail(reason)
            return
