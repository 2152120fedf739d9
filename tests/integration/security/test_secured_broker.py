"""The secured broker of the tests itself: without these, a refusal elsewhere proves nothing."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.processes import eventually
from tests.support.secured_broker import ADMIN, KEY_PASSWORD, UNRESOLVABLE_HOST, SecuredBroker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


def topics(config: dict[str, Any]) -> set[str]:
    return set(AdminClient(config).list_topics(timeout=10).topics)


def refused_with(config: dict[str, Any], code: int) -> bool:
    """Whether an attempt to connect fails with this error, and gets no answer."""
    errors: list[KafkaError] = []
    admin = AdminClient({**config, "error_cb": errors.append})

    def has_failed() -> bool:
        admin.poll(0.05)
        return any(error.code() == code for error in errors)

    failed = eventually(has_failed, 20)
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=0.1)
    return failed


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_each_mechanism_lets_the_right_password_in_and_no_other(
    secured_kafka: SecuredBroker, mechanism: str
) -> None:
    config = secured_kafka.client_config("nobody", mechanism)

    assert AdminClient(config).list_topics(timeout=10).brokers
    assert refused_with({**config, "sasl.password": "wrong"}, KafkaError._AUTHENTICATION)


def test_what_no_acl_allows_is_denied(secured_kafka: SecuredBroker) -> None:
    admin, other = (AdminClient(secured_kafka.client_config(user)) for user in (ADMIN, "nobody"))
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result()

    assert "t" in topics(secured_kafka.client_config(ADMIN))
    assert "t" in topics({"bootstrap.servers": secured_kafka.admin})
    assert topics(secured_kafka.client_config("nobody")) == set()
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        other.create_topics([NewTopic("u", 1, 1)])["u"].result()
    assert "Principal = User:nobody is Denied operation = CREATE" in secured_kafka.log


def test_certificates_are_checked_on_both_sides(secured_kafka: SecuredBroker) -> None:
    config = secured_kafka.client_config("nobody")
    mutual = {
        "bootstrap.servers": secured_kafka.mutual,
        "security.protocol": "SSL",
        "ssl.ca.location": str(secured_kafka.ca),
    }
    certificate = {
        "ssl.certificate.location": str(secured_kafka.client.certificate),
        "ssl.key.location": str(secured_kafka.client.key),
        "ssl.key.password": KEY_PASSWORD,
    }

    unknown = {"ssl.ca.location": str(secured_kafka.unknown_ca)}
    assert refused_with({**config, **unknown}, KafkaError._SSL)
    assert refused_with({**config, "bootstrap.servers": secured_kafka.expired}, KafkaError._SSL)
    assert AdminClient({**mutual, **certificate}).list_topics(timeout=10).brokers
    assert refused_with(mutual, KafkaError._TRANSPORT)


def test_one_listener_advertises_an_unresolvable_address(secured_kafka: SecuredBroker) -> None:
    config = {**secured_kafka.client_config(ADMIN), "bootstrap.servers": secured_kafka.misplaced}

    hosts = {b.host for b in AdminClient(config).list_topics(timeout=10).brokers.values()}

    assert hosts == {UNRESOLVABLE_HOST}
