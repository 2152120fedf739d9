"""Writes and reads the topic ``control`` for the command line."""

from confluent_kafka import KafkaException, Producer

from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.domain.errors import KafkaError
from algo_panda.domain.trading import ControlEvent
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.kafka.connection import connect
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.topic_diff import verify_topics
from algo_panda.settings import Settings
from algo_panda.streaming.control import ControlWatcher, TradingStates

_SEND_SECONDS = 10.0


def send_control_event(settings: Settings, event: ControlEvent) -> None:
    """Send ``event`` to the topic, and wait until the broker has acknowledged it.

    Raises:
        KafkaError: the broker did not confirm it.
    """
    connection, topic = _topic(settings)
    codec = codecs_of(settings).control
    failures: list[str] = []
    producer = Producer(producer_config(connection, message_timeout_ms=int(_SEND_SECONDS * 1000)))
    try:
        producer.produce(
            topic,
            codec.encode(event),
            event.account.encode(),
            on_delivery=lambda error, _message: failures.append(str(error)) if error else None,
        )
        left = producer.flush(_SEND_SECONDS + 1)
    except KafkaException as error:
        raise KafkaError(f"the event was not written to {topic}: {error.args[0]}") from error
    if failures or left:
        reason = failures[0] if failures else "no answer"
        raise KafkaError(
            f"the broker did not confirm the event on {topic}: {reason}; run 'panda control show'"
            " to see what applies"
        )


def read_trading_states(settings: Settings) -> TradingStates:
    """Read the trading states of all accounts.

    Raises:
        KafkaError: the topic cannot be read.
    """
    connection, topic = _topic(settings)
    states = TradingStates()
    codecs = codecs_of(settings)
    with ControlWatcher(connection=connection, topic=topic, decoder=codecs.control, states=states):
        return states


def _topic(settings: Settings) -> tuple[KafkaConnection, str]:
    connection = kafka_connection(settings)
    declared = declared_topics(settings)
    verify_topics(connect(connection), declared, ["control"])
    return connection, declared["control"].on_broker
