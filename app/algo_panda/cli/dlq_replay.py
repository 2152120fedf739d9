"""Sends dead letters to the topics they came from, none of them twice by accident."""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, Message, Producer

from algo_panda.cli.dlq_letters import DeadLetters, Letter
from algo_panda.domain.errors import ConfigurationError, KafkaError
from algo_panda.kafka.admin import partition_counts
from algo_panda.kafka.admin_calls import Partition
from algo_panda.kafka.clients import producer_config
from algo_panda.kafka.replay_ledger import LedgerTakenOverError, ReplayState
from algo_panda.wire.dead_letter import DeadLetter, NotADeadLetterError

BATCH = 500
"""Letters between two notes of how far it got."""

_LARGEST_RECORD = 10_485_760
_FLUSH_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Which letters to send."""

    places: frozenset[tuple[int, int]] | None
    """Partition and offset of single ones; None: all."""
    again: bool

    def names(self, letter: Letter) -> bool:
        return self.places is None or (letter.partition, letter.offset) in self.places

    def takes(self, letter: Letter) -> bool:
        return (
            self.names(letter)
            and isinstance(letter.content, DeadLetter)
            and (self.again or letter.replayed == "no")
        )


class ReplayedMeanwhileError(KafkaError):
    """Somebody else replayed dead letters between the plan and the sending."""


class Replay:
    """What is to be sent, and the sending of it."""

    def __init__(self, letters: DeadLetters, choice: _Choice) -> None:
        self._letters = letters
        self._choice = choice
        self._states = dict(letters.states)
        self._sources: Counter[tuple[str, str]] = Counter()
        self.left_out: list[str] = []
        """A line about each letter, or kind of letters, that is not sent."""

    @classmethod
    @contextmanager
    def plan(
        cls, topics: list[str] | None, places: frozenset[tuple[int, int]] | None, *, again: bool
    ) -> Generator[Self]:
        """See what there is to send; nothing is sent yet.

        Args:
            topics: The topics that letters came from, as declared; None: all.
            places: Partition and offset of single letters of the one topic; None: all.
            again: Also send what was, or may have been, replayed before.

        Raises:
            ConfigurationError: there is no such topic or letter.
            KafkaError: the broker does not answer, or lacks a topic.
        """
        with DeadLetters.open(topics) as letters:
            replay = cls(letters, _Choice(places=places, again=again))
            replay._survey()
            yield replay

    @property
    def count(self) -> int:
        """How many letters would be sent."""
        return self._sources.total()

    def summary(self) -> list[str]:
        """A line for each topic that letters would be sent to."""
        by_topic: defaultdict[str, list[str]] = defaultdict(list)
        for (topic, code), count in sorted(self._sources.items()):
            by_topic[topic].append(f"{code} {count}")
        return [f"to {topic}: {', '.join(codes)}" for topic, codes in by_topic.items()]

    def send(self) -> int:
        """Send them; return how many.

        Raises:
            ReplayedMeanwhileError: the notes are not those of the plan; nothing was sent.
            LedgerTakenOverError: another replay began meanwhile.
            KafkaError: a letter did not arrive; those before it are noted as sent.
        """
        self._refuse_changed_notes()  # first without stopping a replay that is running
        self._letters.ledger.take_over()
        self._refuse_changed_notes()
        producer = Producer(
            producer_config(self._letters.connection, message_max_bytes=_LARGEST_RECORD)
        )
        sent = 0
        for batch in self._batches():
            self._send(producer, batch)
            sent += len(batch)
        return sent

    def _refuse_changed_notes(self) -> None:
        planned = self._letters.states
        if self._letters.ledger.load(list(planned)) != planned:
            raise ReplayedMeanwhileError(
                "another 'panda dlq replay' has sent dead letters since this one looked at them, so"
                " this one sends nothing; run it again"
            )

    def _survey(self) -> None:
        missing = set(self._choice.places or ())
        forgotten: defaultdict[Partition, list[int]] = defaultdict(list)
        for letter in self._letters:
            if letter.replayed == "perhaps":
                forgotten[letter.place].append(letter.offset)
            if self._choice.names(letter):
                missing.discard((letter.partition, letter.offset))
                self._sort(letter)
        if missing:
            partition, offset = min(missing)
            raise ConfigurationError(f"no dead letter at offset {offset} of partition {partition}")
        if self._choice.places is None and not self._choice.again and forgotten:
            self.left_out.append(
                f"{sum(map(len, forgotten.values()))} that may have been replayed before are left "
                "out; 'panda dlq show' marks them 'perhaps'; send them with --offset and --again"
            )
        for place, offsets in forgotten.items():
            # Noted with the first commit: after it, nobody could tell them from new ones.
            self._states[place] = self._states[place].sending(offsets)
        partition_counts(self._letters.admin, {topic for topic, _ in self._sources})

    def _sort(self, letter: Letter) -> None:
        where = f"{letter.topic}[{letter.partition}] offset {letter.offset}"
        if isinstance(letter.content, NotADeadLetterError):
            self.left_out.append(f"{where} is left out: {letter.content}")
        elif self._choice.takes(letter):
            self._sources[letter.content.topic, letter.content.error_code] += 1
        elif self._choice.places is not None:
            replayed = "was" if letter.replayed == "yes" else "may have been"
            self.left_out.append(f"{where} {replayed} replayed; --again sends it again")

    def _batches(self) -> Iterator[list[Letter]]:
        """The letters to send, those of one partition together, in order."""
        batches: defaultdict[Partition, list[Letter]] = defaultdict(list)
        for letter in filter(self._choice.takes, self._letters):
            batch = batches[letter.place]
            batch.append(letter)
            if len(batch) == BATCH:
                yield batches.pop(letter.place)
        yield from batches.values()

    def _send(self, producer: Producer, batch: list[Letter]) -> None:
        place = batch[0].place
        offsets = [letter.offset for letter in batch]
        self._note(place, self._states[place].sending(offsets))
        failures = _deliver(producer, batch)
        if failures:
            raise KafkaError(
                f"{place[0]}[{place[1]}] offsets {offsets[0]} to {offsets[-1]} may have been "
                f"replayed only in part: {failures[0]}; 'panda dlq show' marks them 'perhaps'"
            )
        # All below is settled where all were asked for; but for those noted as unsure.
        all_below = 0 if self._choice.places is not None else offsets[-1] + 1
        try:
            self._note(place, self._states[place].sent(offsets, all_below=all_below))
        except LedgerTakenOverError as error:
            raise LedgerTakenOverError(
                f"{error}; {place[0]}[{place[1]}] offsets {offsets[0]} to {offsets[-1]} were sent, "
                "but 'panda dlq show' marks them 'perhaps'"
            ) from error

    def _note(self, place: Partition, state: ReplayState) -> None:
        self._letters.ledger.save(place, state)
        self._states[place] = state


def _deliver(producer: Producer, batch: list[Letter]) -> list[str]:
    """Send a batch and wait; what went wrong."""
    failures: list[str] = []

    def delivered(error: ClientError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error.str())

    for letter in batch:
        content = letter.content
        if isinstance(content, DeadLetter):
            try:
                producer.produce(
                    content.topic,
                    content.value,
                    content.key,
                    headers=list(content.headers),
                    on_delivery=delivered,
                )
            except KafkaException as error:
                failures.append(str(error.args[0]))
    if producer.flush(_FLUSH_SECONDS):
        failures.append("the broker did not answer in time")
    return failures
