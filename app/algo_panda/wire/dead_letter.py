"""Dead letters: records that a reader could not use, as received, with why in the headers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from algo_panda.domain.errors import BadInputError
from algo_panda.wire.errors import WireError

Header = tuple[str, bytes | None]
"""A Kafka record header."""

SUFFIX: Final = ".dlq"
"""What follows a topic's name in the name of the topic of its dead letters."""

TOPIC: Final = "panda.dlq.topic"
PARTITION: Final = "panda.dlq.partition"
OFFSET: Final = "panda.dlq.offset"
TIMESTAMP: Final = "panda.dlq.timestamp"
"""The original record's Kafka timestamp in milliseconds since the epoch; 0 if unknown."""
ERROR_CODE: Final = "panda.dlq.error.code"
"""``WireError.code``: stable, for programs."""
ERROR_MESSAGE: Final = "panda.dlq.error.message"
APP_VERSION: Final = "panda.dlq.app.version"

HEADER_NAMES: Final = (
    TOPIC,
    PARTITION,
    OFFSET,
    TIMESTAMP,
    ERROR_CODE,
    ERROR_MESSAGE,
    APP_VERSION,
)
"""Our headers, in the order in which they stand at the end of a dead letter's headers."""

_LONGEST_MESSAGE: Final = 1000


class NotADeadLetterError(BadInputError):
    """A record's headers are not those of a dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record as received, and why it could not be used."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Its Kafka timestamp in milliseconds since the epoch; 0 if unknown."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    """Its own headers."""
    error_code: str
    error_message: str
    app_version: str

    @classmethod
    def of(
        cls,
        error: WireError,
        *,
        topic: str,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[Header],
        app_version: str,
    ) -> Self:
        """The letter about a record in which ``error`` was found."""
        return cls(
            topic=topic,
            partition=partition,
            offset=offset,
            timestamp_ms=max(timestamp_ms, 0),
            key=key,
            value=value,
            headers=tuple(headers),
            error_code=error.code,
            error_message=str(error)[:_LONGEST_MESSAGE],
            app_version=app_version,
        )

    def to_headers(self) -> list[Header]:
        """The headers to write it with; key and value are written as they are."""
        ours = (
            self.topic,
            str(self.partition),
            str(self.offset),
            str(self.timestamp_ms),
            self.error_code,
            self.error_message,
            self.app_version,
        )
        encoded = (text.encode("utf-8", "replace") for text in ours)
        return [*self.headers, *zip(HEADER_NAMES, encoded, strict=True)]


def parse_dead_letter(
    *, key: bytes | None, value: bytes | None, headers: Iterable[Header] | None
) -> DeadLetter:
    """Read a record of a dead letter topic back.

    Raises:
        NotADeadLetterError: our headers are not at the end of ``headers``, or not readable.
    """
    given = list(headers or ())
    own, ours = given[: -len(HEADER_NAMES)], given[-len(HEADER_NAMES) :]
    if tuple(name for name, _ in ours) != HEADER_NAMES:
        raise NotADeadLetterError("the record has no headers that say where it came from")
    texts = {name: (value or b"").decode("utf-8", "replace") for name, value in ours}
    return DeadLetter(
        topic=texts[TOPIC],
        partition=_number(texts, PARTITION),
        offset=_number(texts, OFFSET),
        timestamp_ms=_number(texts, TIMESTAMP),
        key=key,
        value=value,
        headers=tuple(own),
        error_code=texts[ERROR_CODE],
        error_message=texts[ERROR_MESSAGE],
        app_version=texts[APP_VERSION],
    )


def _number(texts: Mapping[str, str], name: str) -> int:
    try:
        return int(texts[name])
    except ValueError as error:
        raise NotADeadLetterError(f"the header {name} is {texts[name]!r}, no number") from error
