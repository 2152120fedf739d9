"""Reaching a broker, and saying in one line why it cannot be reached."""

import re
import time
from collections import deque
from collections.abc import Sequence
from typing import cast

import confluent_kafka
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection, admin_config
from algo_panda.kafka.diagnosis import diagnose, unreachable

_LOGIN_FAILED = (
    confluent_kafka.KafkaError._AUTHENTICATION,  # noqa: SLF001 (a public code, named this way)
    confluent_kafka.KafkaError.SASL_AUTHENTICATION_FAILED,
)
_NOT_AUTHORIZED = (
    confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
    confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
    confluent_kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    confluent_kafka.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
_RESOLVE = confluent_kafka.KafkaError._RESOLVE  # noqa: SLF001 (a public code, named this way)
_ERRORS_KEPT = 20
_NO_LOGIN_EXPECTED = "not valid in current SASL state"


class KafkaUnreachableError(KafkaError):
    """No broker answered in time."""


class KafkaAuthenticationError(KafkaError):
    """A broker answered; it refuses our login, or one of us refuses the other's certificate."""


class Admin(AdminClient):
    """librdkafka's admin client, where it is connected to, and what it reports while polled."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.errors: deque[ClientError] = deque(maxlen=_ERRORS_KEPT)
        settings = admin_config(
            connection, socket_connection_setup_timeout_ms=5000, reconnect_backoff_max_ms=500
        )
        try:
            super().__init__({**settings, "error_cb": cast("str", self.errors.append)})
        except KafkaException as error:
            raise failure("use these Kafka settings", error) from error
        self.connection = connection


def connect(connection: KafkaConnection, *, timeout_seconds: float = 5.0) -> Admin:
    """Make an admin client and see that a broker answers it.

    Args:
        connection: The cluster.
        timeout_seconds: How long to wait for an answer. It may take some seconds more to find
            out why there is none.

    Raises:
        KafkaAuthenticationError: The broker or its certificate is not accepted, or we are not.
        KafkaUnreachableError: None answers in time, or not at the address that it advertises.
    """
    admin = Admin(connection)
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            brokers = admin.list_topics(timeout=max(0.1, deadline - time.monotonic())).brokers
        except KafkaException as error:
            # A request fails at once if a broker hangs up, and then there is time left. Polling
            # hands librdkafka's reports to the error callback.
            admin.poll(0.1)
            if time.monotonic() > deadline:
                raise explain(connection, [*admin.errors, error.args[0]]) from error
        else:
            _check_advertised(
                connection, [f"{broker.host}:{broker.port}" for broker in brokers.values()]
            )
            return admin


def answers(connection: KafkaConnection, *, timeout_seconds: float = 0.5) -> bool:
    """Whether a broker that is ready for work answers within ``timeout_seconds``.

    Its list of brokers must name it: a broker that is still fenced answers too but does not, and
    one that was killed may at first tell the address that it had before.
    """
    admin = Admin(connection)
    try:
        brokers = admin.list_topics(timeout=timeout_seconds).brokers.values()
    except KafkaException:
        return False
    addresses = {f"{broker.host}:{broker.port}" for broker in brokers}
    return not addresses.isdisjoint(connection.bootstrap_servers.split(","))


def refused_login(admin: Admin) -> KafkaError | None:
    """Return why the broker refuses a client that it took before, if it does; polls the client."""
    admin.poll(0)
    refused = next((error for error in admin.errors if error.code() in _LOGIN_FAILED), None)
    return None if refused is None else _login_failed(admin.connection, refused)


def explain(connection: KafkaConnection, errors: Sequence[ClientError]) -> KafkaError:
    """Say in one line why no broker answers: what librdkafka reports, or what we find out."""
    refused = next((error for error in errors if error.code() in _LOGIN_FAILED), None)
    if refused is not None:
        return _login_failed(connection, refused)
    problem = diagnose(connection)
    if problem is None and (advertised := _unresolved(connection, errors)) is not None:
        return _misadvertised(connection, advertised, "the name does not resolve")
    if problem is None:
        return KafkaUnreachableError(_unreachable(connection.bootstrap_servers))
    if problem.is_down:
        return KafkaUnreachableError(_unreachable(problem.address, f" ({problem.cause})"))
    return KafkaAuthenticationError(
        f"cannot connect to Kafka at {problem.address}: {problem.cause}"
    )


def failure(
    doing: str, error: KafkaException, connection: KafkaConnection | None = None
) -> KafkaError:
    """Say in one line what could not be done, where, and Kafka's reason."""
    cause: object = error.args[0] if error.args else error
    reason = cause.str().rstrip(".") if isinstance(cause, ClientError) else str(cause)
    at = "" if connection is None else f" at {connection.bootstrap_servers}"
    if is_denial(error):
        reason += f"; {no_acl(connection)}"
    return KafkaError(f"cannot {doing}{at}: {reason}")


def is_denial(error: BaseException | None) -> bool:
    """Return whether ``error``, or one that caused it, is a refusal by the broker's ACLs."""
    while error is not None:
        cause = error.args[0] if error.args else None
        if isinstance(cause, ClientError) and cause.code() in _NOT_AUTHORIZED:
            return True
        error = error.__cause__
    return False


def no_acl(connection: KafkaConnection | None) -> str:
    """Say who lacks a right."""
    return f"{_user(connection)} has no ACL that allows it"


def admin_failure(doing: str, error: KafkaException, admin: AdminClient) -> KafkaError:
    """Say the same of a request of an admin client."""
    return failure(doing, error, admin.connection if isinstance(admin, Admin) else None)


def _check_advertised(connection: KafkaConnection, advertised: Sequence[str]) -> None:
    """See that clients can follow the addresses that the brokers give them."""
    given = {address.strip() for address in connection.bootstrap_servers.split(",")}
    if given.issuperset(advertised):
        return
    problem = unreachable(advertised)
    if problem is not None:
        raise _misadvertised(connection, problem.address, problem.cause)


def _unresolved(connection: KafkaConnection, errors: Sequence[ClientError]) -> str | None:
    """Return an address that librdkafka could not resolve, and that only the broker has named."""
    given = {address.strip() for address in connection.bootstrap_servers.split(",")}
    for error in errors:
        found = re.search(r"Failed to resolve '([^']+)'", error.str())
        if error.code() == _RESOLVE and found and found[1] not in given:
            return found[1]
    return None


def _misadvertised(connection: KafkaConnection, address: str, cause: str) -> KafkaUnreachableError:
    return KafkaUnreachableError(
        f"Kafka at {connection.bootstrap_servers} answers, but advertises {address}, which cannot"
        f" be reached ({cause}); correct advertised.listeners of the broker, or make that address"
        " reachable"
    )


def _login_failed(connection: KafkaConnection, error: ClientError) -> KafkaAuthenticationError:
    where = re.match(r"(?:\w+://)?([^/\s]+)/", error.str())
    address = where[1] if where else connection.bootstrap_servers
    if _NO_LOGIN_EXPECTED in error.str():
        return KafkaAuthenticationError(
            f"cannot connect to Kafka at {address}: the listener expects no login; set"
            " PANDA_KAFKA_SECURITY_PROTOCOL to PLAINTEXT or SSL"
        )
    return KafkaAuthenticationError(
        f"Kafka at {address} refuses the login of {_user(connection)}: {_essence(error)}; check"
        " PANDA_KAFKA_SASL_USERNAME, PANDA_KAFKA_SASL_MECHANISM and the password"
    )


def _user(connection: KafkaConnection | None) -> str:
    security = None if connection is None else connection.security
    if security is not None and security.username is not None:
        return f"user {security.username}"
    return "this client"


def _unreachable(address: str, reason: str = "") -> str:
    return (
        f"Kafka does not answer at {address}{reason}; start it, or set "
        "PANDA_KAFKA_BOOTSTRAP_SERVERS, or unset that and run 'panda dev up'"
    )


def _essence(error: ClientError) -> str:
    """Cut "host:port/bootstrap: " and " (after 0ms in state CONNECT)" off librdkafka's text."""
    text = re.sub(r"\s*\(after [^)]*\)", "", error.str())
    text = re.sub(r"^\S+/\S+: ", "", text)
    return text.removeprefix("SASL authentication error: ")
