"""Serves a worker's metrics to Prometheus over HTTP."""

import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from app.domain.errors import ConfigurationError


class MetricsAddressError(ConfigurationError):
    """Metrics cannot be served on the host and port that are set; the message says which is why."""


_BAD_HOST = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@contextmanager
def serve_metrics(registry: CollectorRegistry, host: str, port: int | None) -> Generator[int]:
    """Serve until the end of the block; gives the port, a free one where none was asked for.

    Raises:
        MetricsAddressError: something else listens there, or the host is none of this machine.
    """
    try:
        server, thread = start_http_server(port or 0, addr=host, registry=registry)
    except (OSError, OverflowError, UnicodeError) as error:
        raise _address_error(error, host, port) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _address_error(
    error: OSError | OverflowError | UnicodeError, host: str, port: int | None
) -> MetricsAddressError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if isinstance(error, (socket.gaierror, UnicodeError)) or (
        isinstance(error, OSError) and error.errno in _BAD_HOST
    ):
        return MetricsAddressError(
            f"metrics cannot be served on host {host}: {reason};"
            " set PANDA_METRICS_HOST to an address of this machine"
        )
    where = host if port is None else f"{host}:{port}"
    return MetricsAddressError(
        f"metrics cannot be served on {where}: {reason};"
        " set PANDA_METRICS_PORT to a free port, or leave it unset"
    )
