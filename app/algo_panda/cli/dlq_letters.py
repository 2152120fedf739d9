"""Reads the topics of dead letters."""

from base64 import b64encode
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.timestamps import iso_utc
from algo_panda.kafka.admin import connect, end_offsets, start_offsets
from algo_panda.kafka.admin_calls import Partition
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.declarations import declared_topics
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.reading import Ends, records
from algo_panda.kafka.replay_ledger import COMMITS_KEPT, ReplayLedger, ReplayState
from algo_panda.settings import Settings, load_settings
from algo_panda.wire.dead_letter import SUFFIX, DeadLetter, NotADeadLetterError, parse_dead_letter

GROUP = "panda-dlq-replay"
"""The group whose commits say what was replayed, behind the prefix of the settings."""


Replayed = Literal["yes", "no", "perhaps"]
"""``perhaps``: a replay was cut short, or may have been forgotten by the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One record of a topic of dead letters."""

    topic: str
    partition: int
    offset: int
    written_at: datetime
    content: DeadLetter | NotADeadLetterError
    """What it says; or what is wrong with the dead letter itself."""
    replayed: Replayed

    @property
    def place(self) -> Partition:
        """The partition it is in."""
        return (self.topic, self.partition)


class DeadLetters:
    """The dead letters that there are now, and what is known of their replay."""

    def __init__(
        self, admin: AdminClient, connection: KafkaConnection, topics: list[str], group: str
    ) -> None:
        self.admin = admin
        self.connection = connection
        self._ends = end_offsets(admin, topics)
        self._starts = start_offsets(admin, topics)
        self.ledger = ReplayLedger(connection, group)
        self.states: Mapping[Partition, ReplayState] = self.ledger.load(list(self._ends))

    @classmethod
    @contextmanager
    def open(cls, topics: list[str] | None) -> Generator[Self]:
        """Look at the dead letters of ``topics``, named as declared; None: of every topic.

        Raises:
            ConfigurationError: a topic is declared to have no dead letters.
            KafkaError: the broker does not answer, or lacks a topic.
        """
        settings = load_settings()
        names = _dead_letter_topics(settings, topics)
        connection = kafka_connection(settings)
        admin = connect(connection)
        letters = cls(admin, connection, names, f"{settings.topic_prefix}{GROUP}")
        with closing(letters.ledger):
            yield letters

    def __iter__(self) -> Iterator[Letter]:
        """Every dead letter up to now; by offset within a partition."""
        now = datetime.now(UTC)
        for message in records(self.connection, self._starts, Ends(self._ends)):
            yield self._letter(message, now)

    def _letter(self, message: Message, now: datetime) -> Letter:
        place = (str(message.topic()), int(message.partition() or 0))
        offset = int(message.offset() or 0)
        written_at = datetime.fromtimestamp(max(message.timestamp()[1], 0) / 1000, UTC)
        headers: Any = message.headers()
        content: DeadLetter | NotADeadLetterError
        try:
            content = parse_dead_letter(key=message.key(), value=message.value(), headers=headers)
            if content.topic + SUFFIX != place[0]:
                content = NotADeadLetterError(f"it says that it came from {content.topic}")
        except NotADeadLetterError as error:
            content = error
        is_old = now - written_at > COMMITS_KEPT
        return Letter(
            topic=place[0],
            partition=place[1],
            offset=offset,
            written_at=written_at,
            content=content,
            replayed=_replayed(self.states[place], offset, is_old=is_old),
        )


def facts(letter: Letter) -> dict[str, Any]:
    """``letter`` as JSON output has it; bytes in base64."""
    about: dict[str, Any] = {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "written_at": iso_utc(letter.written_at),
        "replayed": letter.replayed,
    }
    content = letter.content
    if isinstance(content, NotADeadLetterError):
        unknown = dict.fromkeys(("source_topic", "source_partition", "source_offset", "code"))
        return {**about, **unknown, "message": f"no dead letter: {content}"}
    received = datetime.fromtimestamp(content.timestamp_ms / 1000, UTC)
    return {
        **about,
        "source_topic": content.topic,
        "source_partition": content.partition,
        "source_offset": content.offset,
        "source_time": iso_utc(received) if content.timestamp_ms else None,
        "code": content.error_code,
        "message": content.error_message,
        "app_version": content.app_version,
        "key": _base64(content.key),
        "value": _base64(content.value),
    }


def _replayed(state: ReplayState, offset: int, *, is_old: bool) -> Replayed:
    if state.is_done(offset):
        return "yes"
    if offset in state.unsure or (is_old and not state.known):
        return "perhaps"
    return "no"


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _dead_letter_topics(settings: Settings, topics: list[str] | None) -> list[str]:
    declared = {
        name.removesuffix(SUFFIX): topic.on_broker
        for name, topic in declared_topics(settings).items()
        if name.endswith(SUFFIX)
    }
    unknown = next((name for name in topics or () if name not in declared), None)
    if unknown is not None:
        known = ", ".join(declared)
        raise ConfigurationError(
            f"--topic {unknown}: no such topic has dead letters; known: {known}"
        )
    return [declared[name] for name in topics or declared]
