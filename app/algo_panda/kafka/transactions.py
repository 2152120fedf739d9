"""Errors of transactional producers."""

from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's own name for it
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
"""Codes of a producer whose transactional id another producer has taken over."""


def cause_of(producer: Producer, error: KafkaException) -> KafkaError:
    """Return the error; after a fatal error, the next call to the client returns the cause."""
    cause: KafkaError = error.args[0]
    if cause.code() == KafkaError._FATAL:  # noqa: SLF001 - librdkafka's own name for it
        try:
            producer.begin_transaction()
        except KafkaException as fatal:
            cause = fatal.args[0]
    return cause
