"""Which records of a topic have been sent on already: a group's commits, with a note in each.

A committed offset alone says "everything below". The note (the commit's metadata) adds single
records above it that are done as well, and those whose sending was cut short: nobody knows
whether they arrived, so they are not sent again unless asked for by name.

Notes are written in transactions, under one transactional id for each group: only the latest
``ReplayLedger`` that took the group over can write. The records themselves are not part of them.
A transaction that a killed or suspended command leaves open would hide, from every reader of
committed records, all that is written to those topics meanwhile.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Self

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin_calls import REQUEST_SECONDS, Partition
from algo_panda.kafka.clients import KafkaConnection, consumer_config, producer_config
from algo_panda.kafka.connection import failure
from algo_panda.kafka.groups import raise_first_error
from algo_panda.kafka.transactions import FENCED, cause_of

COMMITS_KEPT: Final = timedelta(days=7)
"""How long a broker keeps the commits of an idle group (``offsets.retention.minutes``)."""

_LONGEST_NOTE: Final = 4000
"""A broker refuses metadata above 4096 bytes (``offset.metadata.max.bytes``)."""

_TRANSACTION_SECONDS: Final = 10
"""How long a broker waits for the end of a note's transaction before it aborts it."""
_PATIENCE_SECONDS: Final = 2.0 * _TRANSACTION_SECONDS + REQUEST_SECONDS
"""A broker looks for transactions to abort every ten seconds."""

_RETRY_WAIT: Final = 0.1

_NOT_YET = (
    confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
    confluent_kafka.KafkaError.NOT_COORDINATOR,
    # A note's transaction is open: it is being written, or its writer was killed.
    confluent_kafka.KafkaError.UNSTABLE_OFFSET_COMMIT,
)


class LedgerTakenOverError(KafkaError):
    """Another replay of the same group has begun; this one can note nothing any more."""


class NoteTooLongError(KafkaError):
    """Too many single records were sent on for one note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayState:
    """What is known of one partition."""

    next_offset: int = 0
    """All below is done, but for what is ``unsure``."""
    done: frozenset[int] = frozenset()
    """Done at or above ``next_offset``."""
    unsure: frozenset[int] = frozenset()
    """Sent, perhaps."""
    known: bool = False
    """Whether there was a commit: without one, an old replay may have been forgotten."""

    def is_done(self, offset: int) -> bool:
        """Whether the record at ``offset`` was sent on and arrived."""
        return offset in self.done or (offset < self.next_offset and offset not in self.unsure)

    def sending(self, offsets: Iterable[int]) -> Self:
        """The state while ``offsets`` are on their way, or where nobody knows of them."""
        return replace(self, unsure=self.unsure | set(offsets), known=True)

    def sent(self, offsets: Iterable[int], *, all_below: int = 0) -> Self:
        """The state after ``offsets`` arrived, and where all below ``all_below`` is settled."""
        following = max(self.next_offset, all_below)
        return replace(
            self,
            next_offset=following,
            done=frozenset(n for n in self.done | set(offsets) if n >= following),
            unsure=self.unsure - set(offsets),
            known=True,
        )

    def to_note(self) -> str:
        """The commit's metadata.

        Raises:
            NoteTooLongError: it would be longer than brokers take.
        """
        ranges = {"done": _ranges(self.done), "unsure": _ranges(self.unsure)}
        note = json.dumps({k: v for k, v in ranges.items() if v}, separators=(",", ":"))
        if len(note) > _LONGEST_NOTE:
            raise NoteTooLongError(
                "too many single dead letters were replayed to note them all; "
                "replay the topic as a whole first"
            )
        return note

    @classmethod
    def from_note(cls, next_offset: int, note: str | None) -> Self:
        """The state that was committed."""
        ranges: dict[str, list[list[int]]] = json.loads(note or "{}")
        return cls(
            next_offset=next_offset,
            done=_numbers(ranges.get("done", [])),
            unsure=_numbers(ranges.get("unsure", [])),
            known=True,
        )


class ReplayLedger:
    """The states of partitions, kept as the commits of a group that nobody joins."""

    def __init__(self, connection: KafkaConnection, group: str) -> None:
        self._connection = connection
        self._group = group
        self._consumer = Consumer(consumer_config(connection, group))
        self._producer: Producer | None = None

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def take_over(self) -> None:
        """Become the only writer of notes: no other ledger that took over before can save.

        Raises:
            KafkaError: the broker does not answer, or refuses.
        """
        producer = Producer(
            producer_config(
                self._connection,
                transactional_id=self._group,
                transaction_timeout_ms=_TRANSACTION_SECONDS * 1000,
            )
        )
        try:
            _patiently(lambda: producer.init_transactions(REQUEST_SECONDS))
        except KafkaException as error:
            raise failure(
                f"take over the notes of {self._group}", error, self._connection
            ) from error
        self._producer = producer

    def load(self, partitions: Collection[Partition]) -> Mapping[Partition, ReplayState]:
        """The state of each of ``partitions``.

        Raises:
            KafkaError: the broker does not answer.
        """
        wanted = [TopicPartition(*partition) for partition in partitions]
        try:
            committed: list[Any] = _patiently(lambda: self._committed(wanted))
        except KafkaException as error:
            raise failure(f"read the commits of {self._group}", error, self._connection) from error
        return {
            (tp.topic, tp.partition): (
                ReplayState.from_note(tp.offset, tp.metadata) if tp.offset >= 0 else ReplayState()
            )
            for tp in committed
        }

    def save(self, partition: Partition, state: ReplayState) -> None:
        """Note the state of one partition; it is on the broker when this returns.

        Raises:
            LedgerTakenOverError: another ledger took over; nothing was noted.
            KafkaError: the broker refuses, or the note would be too long.
        """
        if self._producer is None:
            raise KafkaError("call take_over() before save()")
        commit = TopicPartition(*partition, state.next_offset, state.to_note())
        deadline = time.monotonic() + _PATIENCE_SECONDS
        try:
            while not self._try(self._producer, commit, deadline):
                time.sleep(_RETRY_WAIT)
        except KafkaException as error:
            reason = cause_of(self._producer, error)
            if reason.code() in FENCED:
                raise LedgerTakenOverError(
                    "another 'panda dlq replay' has begun meanwhile, so this one ends"
                ) from error
            raise failure(
                f"note the replay of {partition[0]}", KafkaException(reason), self._connection
            ) from error

    def _try(self, producer: Producer, commit: TopicPartition, deadline: float) -> bool:
        """Write a note; return False if that was aborted and may be done again."""
        group = self._consumer.consumer_group_metadata()
        try:
            producer.begin_transaction()
            _patiently(
                lambda: producer.send_offsets_to_transaction([commit], group, REQUEST_SECONDS)
            )
            _patiently(lambda: producer.commit_transaction(REQUEST_SECONDS))
        except KafkaException as error:
            if time.monotonic() > deadline or not error.args[0].txn_requires_abort():
                raise
            _patiently(lambda: producer.abort_transaction(REQUEST_SECONDS))
            return False
        return True

    def _committed(self, wanted: list[TopicPartition]) -> list[TopicPartition]:
        # The client itself waits for the end of a note's transaction.
        answers = self._consumer.committed(wanted, timeout=_PATIENCE_SECONDS)
        raise_first_error(answers)
        return answers


def _patiently(ask: Any) -> Any:  # noqa: ANN401 - whatever the call gives
    """Ask, and ask again while the broker is still loading its groups, or does not answer."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            cause: confluent_kafka.KafkaError = error.args[0]
            may_ask_again = cause.code() in _NOT_YET or cause.retriable()
            if not may_ask_again or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_WAIT)


def _ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Whole numbers as [first, last] of each run."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _numbers(runs: Iterable[list[int]]) -> frozenset[int]:
    return frozenset(n for first, last in runs for n in range(first, last + 1))
