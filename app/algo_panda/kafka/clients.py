"""Builds the configuration of every Kafka client: the one place that does.

Consumers, producers and admin clients of librdkafka take theirs from ``consumer_config``,
``producer_config`` and ``admin_config``. Faust's client is aiokafka, which
``algo_panda.streaming.faust_app`` configures from the same ``KafkaConnection``.

One key must land in one partition whichever client wrote it. The default hash of Java and of
aiokafka is murmur2; librdkafka's default is CRC32, which would send the same key elsewhere. Keys
are the ASCII digits of an instrument token, or an account id, never JSON.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from algo_panda.kafka.security import KafkaSecurity

LIBRDKAFKA_LOG = logging.getLogger("algo_panda.kafka.librdkafka")
"""Takes librdkafka's own lines, which would go to the terminal."""
LIBRDKAFKA_LOG.addHandler(logging.NullHandler())

MURMUR2 = "murmur2_random"
"""librdkafka's name of Java's default partitioner; records without a key go anywhere."""

NO_GROUP = "unused"
"""Group id of consumers that are assigned partitions and join no group.

librdkafka requires a group id of every consumer. These consumers commit nothing under it.
"""

ConfigValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """How to reach a Kafka cluster."""

    bootstrap_servers: str
    """host:port[,host:port]."""
    security: KafkaSecurity | None = None
    """None: plain TCP without credentials."""
    client_config: Mapping[str, ConfigValue] = field(
        default_factory=dict[str, ConfigValue], repr=False
    )
    """More librdkafka settings of every client; they replace ours of the same name."""

    def with_client_config(self, config: Mapping[str, ConfigValue]) -> Self:
        """Return the same connection with more librdkafka settings."""
        return replace(self, client_config={**self.client_config, **config})


def producer_config(connection: KafkaConnection, **settings: ConfigValue) -> dict[str, Any]:
    """Build the configuration of a librdkafka producer.

    A record counts as sent when all in-sync replicas have it; retries neither duplicate nor
    reorder; keys are hashed as by every other client.

    Args:
        connection: The cluster.
        settings: More librdkafka settings, with underscores for dots: ``linger_ms=5``.
    """
    return _config(
        connection,
        {"acks": "all", "enable.idempotence": True, "partitioner": MURMUR2},
        settings,
    )


def consumer_config(
    connection: KafkaConnection, group: str = NO_GROUP, /, **settings: ConfigValue
) -> dict[str, Any]:
    """Build the configuration of a consumer that reads committed records and commits nothing.

    Args:
        connection: The cluster.
        group: Consumer group, if it subscribes or commits.
        settings: More librdkafka settings, with underscores for dots.
    """
    return _config(
        connection,
        {
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        },
        settings,
    )


def admin_config(connection: KafkaConnection, **settings: ConfigValue) -> dict[str, Any]:
    """Build the configuration of an admin client.

    Args:
        connection: The cluster.
        settings: More librdkafka settings, with underscores for dots.
    """
    return _config(connection, {}, settings)


def _config(
    connection: KafkaConnection,
    of_kind: Mapping[str, ConfigValue],
    settings: Mapping[str, ConfigValue],
) -> dict[str, Any]:
    security = connection.security
    return {
        "bootstrap.servers": connection.bootstrap_servers,
        "logger": LIBRDKAFKA_LOG,
        **({} if security is None else security.librdkafka()),
        **of_kind,
        **{name.replace("_", "."): value for name, value in settings.items()},
        # Last, also among aliases: librdkafka applies settings in this order.
        **connection.client_config,
    }
