"""Runs one worker program until SIGTERM or SIGINT, or until it cannot continue."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiokafka import errors as group_errors  # type: ignore[import-untyped]
from confluent_kafka import KafkaException

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import failure as client_failure
from algo_panda.kafka.connection import is_denial, no_acl
from algo_panda.kafka.ends import ReadEnds
from algo_panda.observability.health import HealthBoard
from algo_panda.runner.collector import collect_seldom
from algo_panda.streaming.cancellation import is_cancellation
from algo_panda.streaming.engine import StreamEngine
from algo_panda.streaming.faust_app import StreamApp, TurnConsumer, build_app
from algo_panda.streaming.fetcher import OffsetLostError
from algo_panda.streaming.group_trouble import GroupTrouble
from algo_panda.streaming.operator import ConnectionSettings, Probe, StreamSpec, no_probe
from algo_panda.streaming.stopping import StopDeadline, end_process
from algo_panda.streaming.telemetry import StreamTelemetry
from algo_panda.streaming.watchdog import StallPolicy, Watchdog

logger = logging.getLogger(__name__)

_NOT_AUTHORIZED = (
    group_errors.GroupAuthorizationFailedError,
    group_errors.TopicAuthorizationFailedError,
)
_STOP_PATIENCE = 20.0
_WATCH_INTERVAL = 0.1
_JOIN_INTERVAL = 1.0
_LISTEN_INTERVAL = 1.0
_TICKS_SHARE = 9
"""Least ratio of the time between checkpoints to the time that serialising state takes."""


async def run_worker(
    *,
    spec: StreamSpec,
    connection: ConnectionSettings,
    read_topic_ids: Callable[[], Mapping[str, str]],
    make_read_ends: Callable[[], ReadEnds],
    telemetry: StreamTelemetry,
    stall: StallPolicy,
    health: HealthBoard,
    on_ready: Callable[[], None] = lambda: None,
    probe: Probe = no_probe,
) -> None:
    """Run until SIGTERM or SIGINT: then checkpoint, leave the group, return.

    The process ends at most 20 s after the signal. It also ends if it stalls and ``stall`` says
    so.

    Raises:
        PandaError: the broker refuses a request, or state and topics do not match.
        Exception: a defect; the state on the broker is that of the last checkpoint.
    """
    collect_seldom()
    stop = asyncio.Event()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="panda-faust-"))

        def end(error: BaseException | None) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            end_process(error)

        deadline = StopDeadline(stop.set, end=end)
        stack.enter_context(deadline.listening(asyncio.get_running_loop()))
        app = build_app(spec, connection, Path(folder))
        app.engine = engine = StreamEngine(
            spec=spec,
            connection=connection,
            read_topic_ids=read_topic_ids,
            telemetry=telemetry,
            read_ends=make_read_ends(),
            probe=probe,
        )
        watchdog = Watchdog(
            watched=engine,
            read_ends=make_read_ends(),
            policy=stall,
            publish=health.write,
            tell_lags=telemetry.lags,
            on_stall=end,
        )
        group = GroupTrouble(spec.group)
        health.watch(lambda: watchdog.trouble)
        health.watch(lambda: group.trouble)
        health.watch(lambda: engine.trouble)
        stack.enter_context(group.listening())
        try:
            with watchdog:
                await _run(
                    app,
                    engine,
                    spec,
                    group,
                    stop,
                    deadline.listen_again,
                    on_ready,
                    lambda: deadline.settle(_failure(engine, spec, connection)),
                )
        finally:
            engine.close()
    failure = _failure(engine, spec, connection)
    if failure is not None:
        raise failure


async def _run(
    app: StreamApp,
    engine: StreamEngine,
    spec: StreamSpec,
    group: GroupTrouble,
    stop: asyncio.Event,
    listen_again: Callable[[], None],
    on_ready: Callable[[], None],
    settle: Callable[[], None],
) -> None:
    app.finalize()
    stopping = asyncio.ensure_future(stop.wait())
    starting = asyncio.ensure_future(_or_fail(engine, app.start()))
    helpers = [
        asyncio.ensure_future(_or_fail(engine, work))
        for work in (
            _watch(app, engine, group),
            _checkpoint_regularly(app, spec.checkpoint_interval),
            _tell_group_regularly(app, spec.checkpoint_interval),
            _listen_regularly(listen_again),
        )
    ]
    try:
        await asyncio.wait(
            (starting, stopping, engine.failure), return_when=asyncio.FIRST_COMPLETED
        )
        if not (stopping.done() or engine.failure.done()):
            on_ready()
        await asyncio.wait((stopping, engine.failure), return_when=asyncio.FIRST_COMPLETED)
        logger.info("%s is stopping", spec.group)
    finally:
        await _hand_over(app, engine)
        settle()
        await _cancel(stopping, *helpers)
        await _leave_group(app)
        await _cancel(starting)


async def _hand_over(app: StreamApp, engine: StreamEngine) -> None:
    """Checkpoint and release all partitions, unless the worker has failed."""
    if not engine.failure.done():
        with contextlib.suppress(Exception):  # it is in engine.failure, which is raised
            await _tell_group(app, await engine.stop())
            logger.info("the last checkpoints are written")


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_STOP_PATIENCE)


async def _leave_group(app: StreamApp) -> None:
    try:
        async with asyncio.timeout(_STOP_PATIENCE):
            await app.stop()
    except TimeoutError:
        logger.warning(
            "Faust did not stop within %.0f s; the process ends without it", _STOP_PATIENCE
        )


async def _or_fail(engine: StreamEngine, work: Awaitable[None]) -> None:
    """Await ``work``; its failure is that of the worker."""
    try:
        await work
    except BaseException as error:  # whatever it is, it is raised in the end
        is_stopped = engine.is_stopping and isinstance(error, asyncio.CancelledError)
        if is_stopped or is_cancellation(error):
            raise
        engine.fail(error)


async def _checkpoint_regularly(app: StreamApp, interval: float) -> None:
    """Checkpoint at the interval, or less often, so that ticks get nine tenths of the time."""
    pause = interval
    while True:
        await asyncio.sleep(pause)
        started = time.monotonic()
        writing = await app.engine.checkpoint_all(spread=interval / 2)
        pause = max(interval - (time.monotonic() - started), _TICKS_SHARE * writing)


async def _listen_regularly(listen_again: Callable[[], None]) -> None:
    """Keep the handlers of signals, also while the worker stops: a second one may come."""
    while True:
        await asyncio.sleep(_LISTEN_INTERVAL)
        listen_again()


async def _tell_group_regularly(app: StreamApp, interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        await _tell_group(app, app.engine.durable_offsets())


async def _tell_group(app: StreamApp, offsets: Mapping[tuple[str, int], int]) -> None:
    consumer = app.consumer
    if offsets and isinstance(consumer, TurnConsumer):
        await consumer.tell_group(offsets)


async def _watch(app: StreamApp, engine: StreamEngine, group: GroupTrouble) -> None:
    """Report crashes of Faust, and errors of the group, which both are only kept in attributes."""
    join_again_at = 0.0
    while not engine.failure.done():
        await asyncio.sleep(_WATCH_INTERVAL)
        crash, refusal = app.crash_reason, app.group_error
        if crash is not None:
            engine.fail(crash)
        elif refusal is not None and not _may_pass(refusal):
            engine.fail(refusal)
        elif refusal is not None:
            group.refused(_refusal(refusal))
            now = time.monotonic()
            if now >= join_again_at:
                join_again_at = now + _JOIN_INTERVAL
                app.join_again()
        group.look()


def _may_pass(refusal: BaseException) -> bool:
    """Return whether the worker may become a member of its group without being started again."""
    return isinstance(refusal, group_errors.InconsistentGroupProtocolError) or bool(
        getattr(refusal, "retriable", False)
    )


def _refusal(error: BaseException) -> str:
    if isinstance(error, group_errors.InconsistentGroupProtocolError):
        return (
            "a member of the group that is not a worker uses another assignment protocol; stop that"
            " consumer, or give it another group id"
        )
    return str(error)


def _failure(
    engine: StreamEngine, spec: StreamSpec, connection: ConnectionSettings
) -> BaseException | None:
    """Return why the worker failed; errors of Kafka are one line with cause and address."""
    error, kafka, group = engine.failed_with(), connection.kafka, spec.group
    if isinstance(error, KafkaException):
        return client_failure("continue", error, kafka)
    if isinstance(error, _NOT_AUTHORIZED):
        return KafkaError(
            f"cannot join the consumer group {group} at {kafka.bootstrap_servers}:"
            f" {type(error).__name__}; {no_acl(kafka)}"
        )
    if isinstance(error, group_errors.InvalidSessionTimeoutError):
        return KafkaError(
            f"cannot join the consumer group {group} at {kafka.bootstrap_servers}: the broker"
            f" refuses a session time-out of {connection.session_timeout:g} s; set"
            " PANDA_KAFKA_SESSION_TIMEOUT_SECONDS to a value between its settings"
            " group.min.session.timeout.ms and group.max.session.timeout.ms"
        )
    if isinstance(error, group_errors.KafkaError):
        return KafkaError(f"Kafka at {kafka.bootstrap_servers}: {type(error).__name__}: {error}")
    if isinstance(error, OffsetLostError):
        error.args = (_with_advice(error, spec),)
    if isinstance(error, KafkaError):
        error.args = (_with_address(error, kafka),)
    return error


def _with_advice(error: OffsetLostError, spec: StreamSpec) -> str:
    """Return the message with what to do, once."""
    advice = (
        f"To go on with the records that are left, stop all workers of {spec.group}, delete the"
        f" topic {spec.changelog}, run 'panda topics apply' and start them: their state begins anew"
        " with the first record that each topic still has"
    )
    message = str(error)
    return message if advice in message else f"{message}. {advice}"


def _with_address(error: KafkaError, kafka: KafkaConnection) -> str:
    """Return the message with the address of the broker, once."""
    message = str(error).rstrip(".")
    if is_denial(error) and no_acl(kafka) not in message:
        message += f"; {no_acl(kafka)}"
    if kafka.bootstrap_servers not in message:
        message += f" (Kafka at {kafka.bootstrap_servers})"
    return message
