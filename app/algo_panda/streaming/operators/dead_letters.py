"""What becomes of a record that cannot be used: it goes, as received, to its topic's ``.dlq``."""

import logging
from collections.abc import Mapping

from algo_panda.streaming.operator import Message, Output
from algo_panda.streaming.operators.ports import StageTelemetry
from algo_panda.wire.dead_letter import DeadLetter, Header
from algo_panda.wire.errors import KeyMismatchError, WireError

logger = logging.getLogger(__name__)


def check_key(message: Message, expected: bytes) -> None:
    """See that a record lies where the state that it belongs to is.

    Raises:
        KeyMismatchError: its key is another one.
    """
    if message.key() != expected:
        raise KeyMismatchError(message.key(), expected)


class DeadLetterWriter:
    """Makes dead letters, and says so."""

    def __init__(
        self, *, topics: Mapping[str, str], telemetry: StageTelemetry, app_version: str
    ) -> None:
        """Make one.

        Args:
            topics: the dead letter topic by input topic, names as on the broker.
            telemetry: hears of every dead letter.
            app_version: goes into the headers.
        """
        self._topics = topics
        self._telemetry = telemetry
        self._app_version = app_version

    def write(self, topic: str, message: Message, error: WireError) -> Output:
        """The dead letter for ``message``."""
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
