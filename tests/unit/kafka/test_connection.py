import pytest
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka import KafkaException

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import (
    KafkaAuthenticationError,
    KafkaUnreachableError,
    answers,
    connect,
    explain,
    failure,
)
from algo_panda.kafka.ports import free_ports

REFUSED = LibrdkafkaError(
    LibrdkafkaError._TRANSPORT,
    "h:1/bootstrap: Connect to ipv4#h:1 failed: Connection refused (after 0ms in state CONNECT)",
)
BAD_PASSWORD = LibrdkafkaError(
    LibrdkafkaError._AUTHENTICATION,
    "sasl_plaintext://h:1/bootstrap: SASL authentication error: Authentication failed: "
    "Invalid username or password (after 12ms in state AUTH_REQ)",
)
ALL_DOWN = LibrdkafkaError(LibrdkafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


def test_an_unreachable_broker_is_one_line_with_address_reason_and_advice() -> None:
    error = explain(KafkaConnection("127.0.0.1:1"), [REFUSED, ALL_DOWN, REFUSED])

    assert isinstance(error, KafkaUnreachableError)
    assert str(error) == (
        "Kafka does not answer at h:1 (Connect to ipv4#h:1 failed: Connection refused); start it, "
        "or set PANDA_KAFKA_BOOTSTRAP_SERVERS, or unset that and run 'panda dev up'"
    )


def test_wrong_credentials_are_told_from_an_unreachable_broker() -> None:
    error = explain(KafkaConnection("127.0.0.1:1"), [REFUSED, ALL_DOWN, BAD_PASSWORD])

    assert isinstance(error, KafkaAuthenticationError)
    assert str(error) == (
        "Kafka at h:1 refuses us: SASL authentication error: Authentication failed: Invalid "
        "username or password"
    )


def test_without_any_reason_it_still_says_which_broker() -> None:
    assert str(explain(KafkaConnection("127.0.0.1:1"), [])).startswith(
        "Kafka does not answer at h:1; start it"
    )


def test_connecting_to_a_closed_port_ends_in_time() -> None:
    (port,) = free_ports(1)

    with pytest.raises(KafkaUnreachableError, match=rf"127\.0\.0\.1:{port} \(.*refused"):
        connect(KafkaConnection(f"127.0.0.1:{port}"), timeout_seconds=0.5)
    assert not answers(KafkaConnection(f"127.0.0.1:{port}"), timeout_seconds=0.1)


def test_settings_that_librdkafka_does_not_take_are_one_line() -> None:
    with pytest.raises(KafkaError, match=r"^cannot use these Kafka settings: .*no.such.setting"):
        connect(KafkaConnection("127.0.0.1:1", client_config={"no.such.setting": "1"}))


def test_a_request_that_failed_says_what_and_why() -> None:
    cause = KafkaException(LibrdkafkaError(LibrdkafkaError.TOPIC_AUTHORIZATION_FAILED, "not you"))

    assert str(failure("create topic ticks", cause)) == "cannot create topic ticks: not you"
