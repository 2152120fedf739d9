"""The settings that every librdkafka producer of ours shares, the partitioner above all.

One key must land in one partition whichever client wrote it. Java's and aiokafka's default hash
is murmur2; librdkafka's default is CRC32, which would send the same key elsewhere. Keys are the
ASCII digits of an instrument token, or an account id, never JSON.
"""

from typing import Any

from algo_panda.kafka.connection import LIBRDKAFKA_LOG

MURMUR2 = "murmur2_random"
"""librdkafka's name of Java's default partitioner; records without a key go anywhere."""

ConfigValue = str | int | float | bool


def producer_config(bootstrap_servers: str, **overrides: ConfigValue) -> dict[str, Any]:
    """Build the configuration of a librdkafka producer.

    Args:
        bootstrap_servers: host:port[,host:port].
        overrides: More librdkafka settings, with underscores for dots: ``linger_ms=5``.

    Returns:
        A configuration for ``confluent_kafka.Producer``: every record is on all in-sync replicas
        before it counts as sent, retries neither duplicate nor reorder, keys are hashed as
        everywhere else, and librdkafka's own lines go to the log.
    """
    return {
        "bootstrap.servers": bootstrap_servers,
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": MURMUR2,
        "logger": LIBRDKAFKA_LOG,
        **{name.replace("_", "."): value for name, value in overrides.items()},
    }
