"""A producer for the publisher, once the topic is known to be there."""

from confluent_kafka import KafkaException, Producer

from algo_panda.domain.errors import ConfigurationError, KafkaError
from algo_panda.kafka.admin import TopicState, topic_states
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.kafka.connection import connect, failure

DELIVERY_SECONDS = 60
"""How long a record may wait for the broker, retries included, before it counts as failed."""


class MissingTopicError(KafkaError):
    """The topic to publish to is not there."""


def open_producer(
    connection: KafkaConnection, topic: str, *, event_timestamps: bool = False
) -> Producer:
    """Connect, look for ``topic``, and make a producer as ``Publisher`` wants it.

    Args:
        connection: The cluster.
        topic: its name on the broker. It is not created.
        event_timestamps: records will be stamped with event times, so see that they are kept.

    Raises:
        MissingTopicError: there is no such topic.
        ConfigurationError: ``event_timestamps``, and the topic puts its own in their place.
        KafkaError: the broker does not answer, or refuses us.
    """
    state = topic_states(connect(connection), [topic]).get(topic)
    if state is None:
        raise MissingTopicError(
            f"there is no topic {topic} at {connection.bootstrap_servers}; run 'panda topics apply'"
        )
    if event_timestamps:
        _refuse_own_clock(state)
    config = producer_config(
        connection,
        compression_type="lz4",
        linger_ms=20,
        message_timeout_ms=DELIVERY_SECONDS * 1_000,
        delivery_report_only_error=True,
    )
    try:
        return Producer(config)
    except KafkaException as error:
        raise failure("make a producer", error, connection) from error


def _refuse_own_clock(state: TopicState) -> None:
    if state.config.get("message.timestamp.type") == "LogAppendTime":
        raise ConfigurationError(
            f"the topic {state.name} stamps records with its broker's clock "
            "(message.timestamp.type LogAppendTime), so event timestamps would be lost; declare "
            "it with CreateTime, or publish with --timestamps now"
        )
