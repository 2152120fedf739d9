"""Structured logs on stderr: for people on a terminal, JSON for machines."""

import logging
import sys
from typing import Literal

import structlog

from algo_panda.observability.kept import lasting_stream

_QUIET = (
    "faust",
    "mode",
    "aiokafka",
    "asyncio",
    "alembic",
    "algo_panda.streaming.faust_app",
    "algo_panda.streaming.group_thread",
    "algo_panda.kafka.librdkafka",
)
"""Libraries that tell a failure with a traceback which we tell in one line."""

_TAKEN_BY_THE_WORKER = "aiokafka.consumer.group_coordinator"
"""Its errors are not shown either; but ``algo_panda.streaming.group_trouble`` takes them."""

_CREDENTIALS_LOG = "aiokafka.conn"


def _has_no_credentials(record: logging.LogRecord) -> bool:
    """Drop lines about logins: at level debug, aiokafka logs each request, passwords included."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any("SaslAuthenticate" in type(argument).__name__ for argument in arguments)


def _is_shown(record: logging.LogRecord) -> bool:
    """Drop lines that the worker takes itself."""
    return record.name != _TAKEN_BY_THE_WORKER


def configure_logging(
    level: str, style: Literal["console", "json"], **context: str
) -> logging.Handler:
    """Send everything that is logged, by us or by libraries, through structlog to stderr.

    Args:
        level: debug, info, warning or error.
        style: how lines look.
        context: fields that every line carries, such as the worker's name.

    Returns:
        The handler that writes them, to a stream of its own: strategies may close ``sys.stderr``.
    """
    stream = lasting_stream(sys.stderr)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if style == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    if level != "debug":
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        logging.getLogger(_TAKEN_BY_THE_WORKER).setLevel(logging.ERROR)
        handler.addFilter(_is_shown)
    logging.getLogger(_CREDENTIALS_LOG).addFilter(_has_no_credentials)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**context)
    return handler
