"""Where metrics are served, and what is said where they cannot be."""

import socket
import urllib.request
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from algo_panda.observability import server
from algo_panda.observability.health import Health, Status
from algo_panda.observability.server import MetricsAddressError, serve_metrics

LOOPBACK = "127.0.0.1"


def well() -> Health:
    return Health(status=Status.OK)


def refusal(host: str, port: int | None) -> str:
    with (
        pytest.raises(MetricsAddressError) as refused,
        serve_metrics(CollectorRegistry(), host, port, well),
    ):
        pass
    return str(refused.value)


def test_metrics_are_served_on_a_free_port_where_none_is_set() -> None:
    registry = CollectorRegistry()
    Gauge("panda_test", "A test.", registry=registry).set(3)
    with (
        serve_metrics(registry, LOOPBACK, None, well) as port,
        urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as answer,
    ):
        assert b"panda_test 3.0" in answer.read()


def test_a_taken_port_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        message = refusal(LOOPBACK, port)
    assert f"{LOOPBACK}:{port}: Address already in use; set PANDA_METRICS_PORT" in message


@pytest.mark.parametrize("host", ["192.0.2.1", "no..such", "x" * 70])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    message = refusal(host, None)
    assert message.startswith(f"metrics cannot be served on host {host}: ")
    assert message.endswith("set PANDA_METRICS_HOST to an address of this machine")


def test_a_port_that_cannot_be_one_is_named() -> None:
    assert "set PANDA_METRICS_PORT" in refusal(LOOPBACK, 65536)


def test_an_error_of_the_server_itself_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, failures = server._Server.handle_request, [OSError("no file descriptors"), SystemExit()]

    def failing(self: Any) -> None:
        if failures:
            raise failures.pop()
        handle(self)

    monkeypatch.setattr(server._Server, "handle_request", failing)
    with (
        serve_metrics(CollectorRegistry(), LOOPBACK, None, well) as port,
        urllib.request.urlopen(f"http://{LOOPBACK}:{port}/health", timeout=30) as answer,
    ):
        assert answer.status == 200
    assert not failures
