"""Reaching a broker, and saying in one line why it cannot be reached."""

import re
import time
from typing import cast

import confluent_kafka
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection, admin_config

# The most telling reason first: a time-out is what every other failure ends in as well.
_REASONS = (
    confluent_kafka.KafkaError._AUTHENTICATION,  # noqa: SLF001 (a public code, named this way)
    confluent_kafka.KafkaError.SASL_AUTHENTICATION_FAILED,
    confluent_kafka.KafkaError._SSL,  # noqa: SLF001
    confluent_kafka.KafkaError._RESOLVE,  # noqa: SLF001
    confluent_kafka.KafkaError._TRANSPORT,  # noqa: SLF001
)
_REFUSALS = frozenset(_REASONS[:3])


class KafkaUnreachableError(KafkaError):
    """No broker answered in time."""


class KafkaAuthenticationError(KafkaError):
    """A broker answered, and refused our credentials or certificates."""


def connect(connection: KafkaConnection, *, timeout_seconds: float = 5.0) -> AdminClient:
    """Make an admin client and see that a broker answers it.

    Args:
        connection: The cluster.
        timeout_seconds: How long to wait for an answer.

    Raises:
        KafkaAuthenticationError: the broker refuses us.
        KafkaUnreachableError: none answers in time.
    """
    errors: list[confluent_kafka.KafkaError] = []
    admin = _admin_client(connection, errors)
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            admin.list_topics(timeout=max(0.1, deadline - time.monotonic()))
        except KafkaException as error:
            # A request fails at once where a broker hangs up, and then there is time left. Polling
            # hands librdkafka's reports to the error callback.
            admin.poll(0.1)
            if time.monotonic() > deadline:
                raise explain(connection.bootstrap_servers, [*errors, error.args[0]]) from error
        else:
            return admin


def answers(connection: KafkaConnection, *, timeout_seconds: float = 0.5) -> bool:
    """Whether a broker that is ready for work answers within ``timeout_seconds``.

    Its list of brokers must name it: a broker that is still fenced answers too but does not, and
    one that was killed may at first tell the address that it had before.
    """
    admin = _admin_client(connection, [])
    try:
        brokers = admin.list_topics(timeout=timeout_seconds).brokers.values()
    except KafkaException:
        return False
    addresses = {f"{broker.host}:{broker.port}" for broker in brokers}
    return not addresses.isdisjoint(connection.bootstrap_servers.split(","))


def explain(bootstrap_servers: str, errors: list[confluent_kafka.KafkaError]) -> KafkaError:
    """Choose the most telling of librdkafka's reports and put it in one line for the user."""
    for code in _REASONS:
        reason = next((error for error in errors if error.code() == code), None)
        if reason is None:
            continue
        if code in _REFUSALS:
            return KafkaAuthenticationError(
                f"Kafka at {bootstrap_servers} refuses us: {_essence(reason)}"
            )
        return KafkaUnreachableError(_unreachable(bootstrap_servers, f" ({_essence(reason)})"))
    return KafkaUnreachableError(_unreachable(bootstrap_servers, ""))


def failure(doing: str, error: KafkaException) -> KafkaError:
    """Say in one line what could not be done, and Kafka's reason."""
    cause: object = error.args[0] if error.args else error
    reason = cause.str() if isinstance(cause, confluent_kafka.KafkaError) else str(cause)
    return KafkaError(f"cannot {doing}: {reason}")


def _unreachable(bootstrap_servers: str, reason: str) -> str:
    return (
        f"Kafka does not answer at {bootstrap_servers}{reason}; start it, or set "
        "PANDA_KAFKA_BOOTSTRAP_SERVERS, or unset that and run 'panda dev up'"
    )


def _essence(error: confluent_kafka.KafkaError) -> str:
    """Cut "host:port/bootstrap: " and " (after 0ms in state CONNECT)" off librdkafka's text."""
    text = re.sub(r"\s*\(after [^)]*\)", "", error.str())
    return re.sub(r"^\S+/\S+: ", "", text)


def _admin_client(
    connection: KafkaConnection, errors: list[confluent_kafka.KafkaError]
) -> AdminClient:
    config = admin_config(
        connection, socket_connection_setup_timeout_ms=5000, reconnect_backoff_max_ms=500
    )
    try:
        return AdminClient({**config, "error_cb": cast("str", errors.append)})
    except KafkaException as error:
        raise failure("use these Kafka settings", error) from error
