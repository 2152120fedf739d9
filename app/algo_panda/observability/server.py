"""Serves a worker's metrics to Prometheus, and its health to supervisors, over HTTP."""
# prometheus_client does not say what its WSGI application takes:
# pyright: reportUnknownVariableType=false

import errno
import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from algo_panda.domain.errors import ConfigurationError
from algo_panda.observability.health import Health, Status
from algo_panda.supervised_thread import SupervisedThread

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class MetricsAddressError(ConfigurationError):
    """Metrics cannot be served on the host and port that are set; the message says which is why."""


_WAIT_SECONDS = 0.2
"""How long the server waits for a request until it looks whether it is to stop."""

_BAD_HOST = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@contextmanager
def serve_metrics(
    registry: CollectorRegistry, host: str, port: int | None, health: Callable[[], Health]
) -> Generator[int]:
    """Serve ``/metrics`` and ``/health`` until the end of the block; gives the port.

    Args:
        registry: whose metrics.
        host: to listen on.
        port: to listen on; None: any that is free.
        health: asked for every request of ``/health``, in a thread of that request.

    Raises:
        MetricsAddressError: something else listens there, or the host is none of this machine.
    """
    try:
        server = _listen(host, port or 0, _application(registry, health))
    except (OSError, OverflowError, UnicodeError) as error:
        raise _address_error(error, host, port) from error
    server.timeout = _WAIT_SECONDS
    thread = SupervisedThread("metrics", lambda _ending: server.handle_request())
    thread.start()
    try:
        yield server.server_port
    finally:
        thread.stop()
        server.server_close()


def _application(registry: CollectorRegistry, health: Callable[[], Health]) -> "WSGIApplication":
    metrics: WSGIApplication = make_wsgi_app(registry)

    def answer(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"].rstrip("/") != "/health":
            return metrics(environ, start)
        found = health()
        code = HTTPStatus.OK if found.status is Status.OK else HTTPStatus.SERVICE_UNAVAILABLE
        start(f"{code.value} {code.phrase}", [("Content-Type", "application/json")])
        return [found.as_json().encode() + b"\n"]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its caller's name
        """Requests are not logged."""


def _listen(host: str, port: int, application: "WSGIApplication") -> _Server:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]

    class Server(_Server):
        address_family = family

    return make_server(str(address[0]), port, application, Server, _SilentHandler)


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
