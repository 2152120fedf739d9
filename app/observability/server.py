"""Serves a worker's metrics to Prometheus over HTTP."""

from collections.abc import Generator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from app.domain.errors import ConfigurationError


class PortInUseError(ConfigurationError):
    """Another program listens on the port for metrics."""


@contextmanager
def serve_metrics(registry: CollectorRegistry, host: str, port: int | None) -> Generator[int]:
    """Serve until the end of the block; gives the port, a free one where none was asked for.

    Raises:
        PortInUseError: something else listens there.
    """
    try:
        server, thread = start_http_server(port or 0, addr=host, registry=registry)
    except OSError as error:
        raise PortInUseError(
            f"metrics cannot be served on {host}:{port}: {error.strerror};"
            " set PANDA_METRICS_PORT to a free port, or leave it unset"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
