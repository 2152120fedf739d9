import socket
import threading

import pytest
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka import KafkaException
from pydantic import SecretStr

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka import diagnosis
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import (
    KafkaAuthenticationError,
    KafkaUnreachableError,
    answers,
    connect,
    explain,
    failure,
)
from algo_panda.kafka.diagnosis import split
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.security import KafkaSecurity

REFUSED = LibrdkafkaError(
    LibrdkafkaError._TRANSPORT,
    "h:1/bootstrap: Connect to ipv4#h:1 failed: Connection refused (after 0ms in state CONNECT)",
)
BAD_PASSWORD = LibrdkafkaError(
    LibrdkafkaError._AUTHENTICATION,
    "sasl_plaintext://h:1/bootstrap: SASL authentication error: Authentication failed: "
    "Invalid username or password (after 12ms in state AUTH_REQ)",
)
ANN = KafkaSecurity(
    protocol="SASL_PLAINTEXT", mechanism="PLAIN", username="ann", password=SecretStr("canary")
)
TLS = KafkaSecurity(protocol="SSL")
ALL_DOWN = LibrdkafkaError(LibrdkafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


def test_an_unreachable_broker_is_one_line_with_address_reason_and_advice() -> None:
    (port,) = free_ports(1)
    error = explain(KafkaConnection(f"127.0.0.1:{port}"), [ALL_DOWN])

    assert isinstance(error, KafkaUnreachableError)
    assert str(error) == (
        f"Kafka does not answer at 127.0.0.1:{port} (Connection refused); start it, or set "
        "PANDA_KAFKA_BOOTSTRAP_SERVERS, or unset that and run 'panda dev up'"
    )


def test_a_refused_login_is_told_from_an_unreachable_broker() -> None:
    error = explain(KafkaConnection("a:1,h:1", ANN), [REFUSED, ALL_DOWN, BAD_PASSWORD])

    assert isinstance(error, KafkaAuthenticationError)
    assert str(error) == (
        "Kafka at h:1 refuses the login of user ann: Authentication failed: Invalid username or "
        "password; check PANDA_KAFKA_SASL_USERNAME, PANDA_KAFKA_SASL_MECHANISM and the password"
    )


def test_a_name_that_does_not_resolve_is_named() -> None:
    error = explain(KafkaConnection("no-such-host.invalid:9092"), [])
    assert "Kafka does not answer at no-such-host.invalid:9092 (the name does not res" in str(error)


def test_an_advertised_name_that_librdkafka_could_not_resolve_is_named() -> None:
    unresolved = LibrdkafkaError(
        LibrdkafkaError._RESOLVE,
        "inside.invalid:9093/1: Failed to resolve 'inside.invalid:9093': Name or service not known",
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        error = explain(KafkaConnection(address), [unresolved])
    assert str(error) == (
        f"Kafka at {address} answers, but advertises inside.invalid:9093, which cannot be reached"
        " (the name does not resolve); correct advertised.listeners of the broker, or make that"
        " address reachable"
    )


def test_an_advertised_name_that_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(diagnosis, "_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: release.wait())

    problem = diagnosis.unreachable(["slow.invalid:9093", "other.invalid:9093"])

    release.set()
    assert problem is not None
    assert problem.address == "slow.invalid:9093"
    assert problem.cause.startswith("no answer within")


def test_what_is_no_address_is_told() -> None:
    error = explain(KafkaConnection("a..b:1"), [])
    assert "Kafka does not answer at a..b:1 (invalid address; write host:port)" in str(error)


def test_a_listener_that_says_nothing_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = explain(KafkaConnection(f"127.0.0.1:{silent.getsockname()[1]}", TLS), [])
    assert "no answer in time" in str(error)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("h:1", ("h", 1)),
        ("h", ("h", 9092)),
        ("[::1]:1", ("::1", 1)),
        ("::1:1", ("::1", 1)),
        ("SASL_SSL://h:1", ("h", 1)),
    ],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split(address) == parts


def test_connecting_to_a_closed_port_ends_in_time() -> None:
    (port,) = free_ports(1)

    with pytest.raises(KafkaUnreachableError, match=rf"127\.0\.0\.1:{port} \(.*refused"):
        connect(KafkaConnection(f"127.0.0.1:{port}"), timeout_seconds=0.5)
    assert not answers(KafkaConnection(f"127.0.0.1:{port}"), timeout_seconds=0.1)


def test_settings_that_librdkafka_does_not_take_are_one_line() -> None:
    with pytest.raises(KafkaError, match=r"^cannot use these Kafka settings: .*no.such.setting"):
        connect(KafkaConnection("127.0.0.1:1", client_config={"no.such.setting": "1"}))


def test_a_request_that_failed_says_what_where_and_why() -> None:
    cause = KafkaException(LibrdkafkaError(LibrdkafkaError.UNKNOWN_TOPIC_OR_PART, "unknown"))
    connection = KafkaConnection("h:1")

    assert str(failure("read ticks", cause)) == "cannot read ticks: unknown"
    assert str(failure("read ticks", cause, connection)) == "cannot read ticks at h:1: unknown"


def test_a_right_that_is_missing_says_whose() -> None:
    cause = KafkaException(LibrdkafkaError(LibrdkafkaError.TOPIC_AUTHORIZATION_FAILED, "not you"))

    assert str(failure("read ticks", cause, KafkaConnection("h:1", ANN))) == (
        "cannot read ticks at h:1: not you; user ann has no ACL that allows it"
    )
