"""Which settings of librdkafka users may choose, and which ones correctness depends on."""

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import ConfigurationError
from algo_panda.kafka.clients import (
    KafkaConnection,
    admin_config,
    consumer_config,
    producer_config,
)

_SHORTEST_TIMEOUT_MS = 10_000
"""Of a producer of ours: that of ``panda control``."""

_DELIVERY = "records would be lost, duplicated or reordered"
_GROUP = "group membership is the worker's; see PANDA_KAFKA_SESSION_TIMEOUT_SECONDS"
_OFFSETS = "offsets are committed with checkpoints"
_READING = "readers depend on it"
_SECURITY = (
    "it would not reach Faust's client, which is not librdkafka; use PANDA_KAFKA_SECURITY_PROTOCOL,"
    " PANDA_KAFKA_SASL_* and PANDA_KAFKA_SSL_*"
)
_SERVERS = "use PANDA_KAFKA_BOOTSTRAP_SERVERS"
_SIZE = "each client has the limit of its topics"
_CODE = "it takes code, not a value"

_REFUSED: Mapping[str, str] = {
    "acks": _DELIVERY,
    "request.required.acks": _DELIVERY,
    "enable.idempotence": _DELIVERY,
    "enable.gapless.guarantee": _DELIVERY,
    "max.in.flight": _DELIVERY,
    "max.in.flight.requests.per.connection": _DELIVERY,
    "retries": _DELIVERY,
    "message.send.max.retries": _DELIVERY,
    "message.timeout.ms": _DELIVERY,
    "delivery.timeout.ms": _DELIVERY,
    "delivery.report.only.error": _DELIVERY,
    "queuing.strategy": _DELIVERY,
    "transactional.id": "it fences the former owner of a partition",
    "transaction.timeout.ms": "checkpoints depend on it",
    "partitioner": "one key must be in one partition, whichever client wrote it",
    "message.max.bytes": _SIZE,
    "isolation.level": "records of aborted transactions would be read",
    "enable.partition.eof": _READING,
    "auto.offset.reset": _READING,
    "topic.blacklist": _READING,
    "allow.auto.create.topics": "topics are created by 'panda topics apply'",
    "partition.assignment.strategy": _GROUP,
    "session.timeout.ms": _GROUP,
    "heartbeat.interval.ms": _GROUP,
    "max.poll.interval.ms": _GROUP,
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "auto.commit.interval.ms": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "bootstrap.servers": _SERVERS,
    "metadata.broker.list": _SERVERS,
    "enable.ssl.certificate.verification": _SECURITY,
    "enable.sasl.oauthbearer.unsecure.jwt": _SECURITY,
    "plugin.library.paths": "it would load code into every client",
    "interceptors": _CODE,
    "opaque": _CODE,
    "logger": _CODE,
    "on_delivery": _CODE,
    "on_commit": _CODE,
    "msg_order_cmp": _CODE,
    "default_topic_conf": _CODE,
    "default.topic.config": "name each setting on its own",
    "enabled_events": "log lines would be lost",
    "log.queue": "log lines would be lost",
    "internal.termination.signal": "the process handles signals itself",
}
_REFUSED_PREFIXES: Mapping[str, str] = {
    "group.": _GROUP,
    "offset.store.": _OFFSETS,
    "security.": _SECURITY,
    "sasl.": _SECURITY,
    "ssl.": _SECURITY,
    "ssl_": _SECURITY,
    "https.": _SECURITY,
    "oauthbearer_": _SECURITY,
    "test.": "it replaces the cluster with a mock",
}

_SIGNAL_CONSUMER: Mapping[str, str] = {
    "bootstrap.servers": "use the argument bootstrap_servers",
    "metadata.broker.list": "use the argument bootstrap_servers",
    "group.id": "use the argument group",
    "auto.offset.reset": "use the argument from_beginning",
    "isolation.level": _REFUSED["isolation.level"],
    "enable.partition.eof": "until_end depends on it",
    "enable.auto.commit": "a signal is committed when the next one is read",
    "auto.commit.enable": "a signal is committed when the next one is read",
    "enable.auto.offset.store": "a signal is committed when the next one is read",
    "logger": "librdkafka logs to algo_panda.kafka.librdkafka",
    "default.topic.config": _REFUSED["default.topic.config"],
    "plugin.library.paths": _REFUSED["plugin.library.paths"],
}
"""What ``SignalConsumer`` itself depends on. Credentials are allowed: it is a single client."""


def check_client_config(variable: str, config: Mapping[str, Any]) -> None:
    """Check settings that every librdkafka client will get.

    Args:
        variable: Name of the setting that they come from, for messages.
        config: librdkafka's names and values.

    Raises:
        ConfigurationError: One is refused, or librdkafka does not take it.
    """
    _refuse(variable, config, _reason)
    for name, value in config.items():
        if not isinstance(value, str | int | float):
            raise ConfigurationError(f"{variable}: {name} must be text, a number, true or false")
    if config:
        _try_clients(variable, KafkaConnection("127.0.0.1:1", client_config=config))


def _try_clients(variable: str, connection: KafkaConnection) -> None:
    """Create a client of each kind, which connects to nothing: some values fit one kind only."""
    try:
        Producer(producer_config(connection, message_timeout_ms=_SHORTEST_TIMEOUT_MS))
        Consumer(consumer_config(connection)).close()
        AdminClient(admin_config(connection))
    except KafkaException as error:
        raise ConfigurationError(f"{variable}: {error.args[0].str().strip()}") from error


def check_consumer_config(config: Mapping[str, object]) -> None:
    """Check ``client_config`` of a ``SignalConsumer``.

    Raises:
        ConfigurationError: It would change what the consumer promises.
    """
    _refuse("client_config", config, _SIGNAL_CONSUMER.get)


def _refuse(
    where: str, config: Mapping[str, object], reason_of: Callable[[str], str | None]
) -> None:
    for name in config:
        plain = name.strip().lower()
        # confluent-kafka takes settings of topics also with this prefix.
        reason = reason_of(plain) or reason_of(plain.removeprefix("topic."))
        if reason is not None:
            raise ConfigurationError(f"{where}: {name} may not be set here: {reason}")


def _reason(name: str) -> str | None:
    if name in _REFUSED:
        return _REFUSED[name]
    if name.endswith("_cb"):
        return _CODE
    return next((why for prefix, why in _REFUSED_PREFIXES.items() if name.startswith(prefix)), None)
