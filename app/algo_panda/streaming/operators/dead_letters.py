"""Dead letters: a record that cannot be used goes unchanged to the ``.dlq`` of its topic."""

import logging
from collections.abc import Mapping

from algo_panda.streaming.operator import Message, Output
from algo_panda.streaming.operators.ports import StageTelemetry
from algo_panda.wire.dead_letter import DeadLetter, Header
from algo_panda.wire.errors import KeyMismatchError, WireError

logger = logging.getLogger(__name__)


def check_key(message: Message, expected: bytes) -> None:
    """Check the key of a record: its state is in the partition of that key.

    Raises:
        KeyMismatchError: it has another key.
    """
    if message.key() != expected:
        raise KeyMismatchError(message.key(), expected)


class DeadLetterWriter:
    """Builds dead letters, and logs them."""

    def __init__(
        self, *, topics: Mapping[str, str], telemetry: StageTelemetry, app_version: str
    ) -> None:
        """Create a writer.

        Args:
            topics: the topic of dead letters by input topic, names as on the broker.
            telemetry: counts dead letters.
            app_version: goes into the headers.
        """
        self._topics = topics
        self._telemetry = telemetry
        self._app_version = app_version

    def write(self, topic: str, message: Message, error: WireError) -> Output:
        """Return the dead letter of ``message``."""
        logger.warning(
            "%s[%s] offset %s cannot be used and goes to %s: %s: %s",
            topic,
            message.partition(),
            message.offset(),
            self._topics[topic],
            error.code,
            error,
        )
        self._telemetry.dead_letter(topic, error.code)
        letter = DeadLetter.of(
            error,
            topic=topic,
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            timestamp_ms=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            headers=_own_headers(message),
            app_version=self._app_version,
        )
        return Output(self._topics[topic], letter.key, letter.value, letter.to_headers())


def _own_headers(message: Message) -> list[Header]:
    given = message.headers() or ()
    pairs = given.items() if isinstance(given, dict) else given
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]
