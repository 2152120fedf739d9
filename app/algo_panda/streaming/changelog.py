"""Changelog of a partition: atomic, fenced checkpoints on a compacted topic.

A checkpoint is one Kafka transaction: the records that changed, and under ``CHECKPOINT_KEY`` the
input offsets that this state belongs to. A worker that opens a partition calls
``init_transactions`` first, so that a former owner, however late it wakes up, can commit nothing.
The state is restored with ``read_committed``: a checkpoint is there whole, or not at all. A
transaction that stays open would hide the checkpoints after it, so then nothing is restored.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka import KafkaError as ClientError

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection, consumer_config, producer_config
from algo_panda.kafka.connection import is_denial
from algo_panda.kafka.open_transactions import (
    PATIENCE_SECONDS,
    OpenTransactionError,
    wait_until_readable,
)
from algo_panda.kafka.transactions import FENCED, cause_of
from algo_panda.streaming.marks import RecordMark, decode_marks, encode_marks, header_value
from algo_panda.streaming.operator import (
    MessageHeaders,
    Output,
    Probe,
    StateFormatError,
    StateRecord,
    latest,
    no_probe,
)

CHECKPOINT_KEY = b"\x00checkpoint"

ORIGIN_HEADER = "origin"
HANDED_OVER_HEADER = "handed-over"
"""Headers of checkpoint records, like that of the marks: earlier versions ignore them."""

_POSITION_FIELDS = frozenset({"id", "next_offset", "horizon"})

_RETRY_WAIT = 0.5
_RESTORE_BATCH = 10_000
_LARGEST_RECORD = 10 * 1024 * 1024
"""As the changelogs in ``topics/`` allow."""


class FencedError(Exception):
    """Another worker has opened the partition: this one must not write for it."""


class TopicRecreatedError(KafkaError):
    """An input topic was deleted and created again: its offsets now belong to other records."""


class CheckpointError(KafkaError):
    """A checkpoint could not be written or read."""


class UnreadableStateError(KafkaError):
    """A changelog holds state that this version cannot read; the message says what to do."""

    def __init__(self, changelog: str, partition: int, reason: Exception) -> None:
        super().__init__(
            f"changelog {changelog}[{partition}]: {reason}. If a newer version of algo-panda wrote"
            " this state, run that version. To discard the state of all partitions and process"
            " the input topics from their beginning, stop the workers of this program, delete the"
            f" topic {changelog} and run 'panda topics apply'"
        )


class MissingCheckpointError(KafkaError):
    """A changelog holds state, and not the offsets that it stands for; the message says more."""

    def __init__(self, changelog: str, partition: int, reason: str) -> None:
        super().__init__(
            f"changelog {changelog}[{partition}] {reason}. Without it, the offsets that the state"
            " stands for are unknown, and records would be processed twice. If there is a copy of"
            " the changelog, stop the workers of this program and restore it. To discard the state"
            " of all partitions and process the input topics from their beginning, stop the workers"
            f" of this program, delete the topic {changelog} and run 'panda topics apply'"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Offsets of a partition, by topic name, with what is recorded beside them."""

    offsets: Mapping[str, int]
    """The next offset to process."""
    horizons: Mapping[str, int]
    """Processing limits: no output of a record at or above this offset can have been sent."""
    topic_ids: Mapping[str, str]
    marks: Mapping[str, RecordMark] = field(default_factory=dict[str, RecordMark])
    """The last record processed; none if an earlier version wrote the checkpoint."""
    origin: bytes | None = None
    """Database and code that outputs depend on, in the form of the operator."""
    is_handed_over: bool = False
    """Whether the owner has sent no output of a later record: it stopped cleanly here, or its
    outputs are part of checkpoints."""

    @property
    def is_settled(self) -> bool:
        """Return whether no output of an unprocessed record can have been sent, by any owner."""
        return all(self.horizons[topic] <= offset for topic, offset in self.offsets.items())

    def encode(self) -> bytes:
        """Write the offsets as JSON, because people also read changelogs."""
        topics = {
            topic: {
                "id": self.topic_ids[topic],
                "next_offset": offset,
                "horizon": self.horizons[topic],
            }
            for topic, offset in sorted(self.offsets.items())
        }
        return json.dumps({"topics": topics}, separators=(",", ":")).encode()

    def headers(self) -> list[tuple[str, str | bytes | None]] | None:
        """Build the headers of the record whose value is ``encode``'s."""
        headers = encode_marks(self.marks) or []
        if self.origin is not None:
            headers.append((ORIGIN_HEADER, self.origin))
        if self.is_handed_over and not self.is_settled:
            headers.append((HANDED_OVER_HEADER, b"true"))
        return headers or None

    @classmethod
    def decode(cls, value: bytes, headers: MessageHeaders = None) -> "Positions":
        """Read what ``encode`` and ``headers`` gave.

        Raises:
            StateFormatError: they do not give that. An unknown field is refused, because
                processing may depend on it.
        """
        try:
            topics = _known_topics(json.loads(value))
            return cls(
                offsets={topic: int(entry["next_offset"]) for topic, entry in topics.items()},
                horizons={topic: int(entry["horizon"]) for topic, entry in topics.items()},
                topic_ids={topic: str(entry["id"]) for topic, entry in topics.items()},
                marks=decode_marks(headers),
                origin=header_value(headers, ORIGIN_HEADER),
                is_handed_over=header_value(headers, HANDED_OVER_HEADER) is not None,
            )
        except StateFormatError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateFormatError(
                f"the checkpoint is invalid: {type(error).__name__}: {error}"
            ) from error


def _known_topics(fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    topics: dict[str, dict[str, Any]] = fields.pop("topics")
    unknown = set(fields).union(*topics.values()) - _POSITION_FIELDS
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}")
    return topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """State that was restored from the changelog of a partition."""

    state: Mapping[bytes, bytes]
    positions: Positions | None
    """None: there never was a checkpoint."""
    records_read: int


class PartitionChangelog:
    """Changelog of one partition, owned until another worker opens it."""

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        topic: str,
        partition: int,
        transactional_id: str,
        probe: Probe = no_probe,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Create the producer; no request is sent yet.

        Args:
            connection: The cluster.
            topic: The changelog, by its name on the broker.
            partition: Number of the partition.
            transactional_id: The same for every owner of the partition.
            probe: Called after every step.
            patience: Seconds that a transaction of another producer may stay open in the changelog.
        """
        self._probe = probe
        self._patience = patience
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._producer = Producer(
            producer_config(
                connection,
                transactional_id=transactional_id,
                transaction_timeout_ms=60_000,
                message_max_bytes=_LARGEST_RECORD,
                linger_ms=1,
                compression_type="lz4",
            )
        )

    def open(self, timeout: float) -> Restored:
        """Fence the former owner, then restore the state. Blocks.

        Raises:
            CheckpointError: the broker did not answer in ``timeout`` seconds, or a transaction
                stays open that hides the end of the changelog.
            UnreadableStateError: the checkpoint has a form that this version does not know.
            MissingCheckpointError: there is state without a checkpoint.
        """
        headers: MessageHeaders = None
        records_read = 0
        had_checkpoint = False

        def records() -> Iterator[StateRecord]:
            nonlocal headers, records_read, had_checkpoint
            for message in self._read(timeout, self._readable_end(timeout)):
                record = StateRecord(message.key() or b"", message.value())
                if record.key == CHECKPOINT_KEY:
                    headers, had_checkpoint = message.headers(), True
                records_read += 1
                yield record

        try:
            self._producer.init_transactions(timeout)
            self._probe("restore: former owner fenced")
            # Record by record: before compaction, the topic may have gigabytes.
            state = latest(records())
        except KafkaException as error:
            raise self._error("cannot be opened", error) from error
        checkpoint = state.pop(CHECKPOINT_KEY, None)
        if checkpoint is None and (state or had_checkpoint):
            # Every transaction writes both, so one alone is no first start.
            raise MissingCheckpointError(
                self._topic,
                self._partition,
                "had a checkpoint record, which was deleted"
                if had_checkpoint
                else f"has {len(state)} state record(s) and no checkpoint record",
            )
        try:
            positions = None if checkpoint is None else Positions.decode(checkpoint, headers)
        except StateFormatError as error:
            raise UnreadableStateError(self._topic, self._partition, error) from error
        return Restored(state=state, positions=positions, records_read=records_read)

    def commit(
        self,
        records: Sequence[StateRecord],
        positions: Positions,
        outputs: Sequence[Output],
        timeout: float,
    ) -> None:
        """Write ``records`` and ``positions``, and send ``outputs``, in one transaction. Blocks.

        A transaction that must be aborted is written again until ``timeout`` has passed.

        Raises:
            FencedError: another worker owns the partition; nothing was written.
            CheckpointError: the broker refused, or did not answer in time. Then it is unknown
                whether it was written: the state must not be used any more.
        """
        deadline = time.monotonic() + timeout
        try:
            while not self._try(records, positions, outputs, deadline):
                time.sleep(_RETRY_WAIT)
        except KafkaException as error:
            raise self._refusal(error) from error

    def _try(
        self,
        records: Sequence[StateRecord],
        positions: Positions,
        outputs: Sequence[Output],
        deadline: float,
    ) -> bool:
        """Return whether it was written; if not, it was aborted and may be written again."""
        try:
            self._producer.begin_transaction()
            self._probe("checkpoint: transaction begun")
            for output in outputs:
                self._produce(output.topic, output.key, output.value, list(output.headers))
            for record in records:
                self._produce(self._topic, record.key, record.value, None, self._partition)
            self._probe("checkpoint: state written")
            self._produce(
                self._topic,
                CHECKPOINT_KEY,
                positions.encode(),
                positions.headers(),
                self._partition,
            )
            self._probe("checkpoint: positions written")
            self._finish(self._producer.commit_transaction, deadline)
        except KafkaException as error:
            if time.monotonic() > deadline or not error.args[0].txn_requires_abort():
                raise
            self._finish(self._producer.abort_transaction, deadline)
            return False
        self._probe("checkpoint: transaction committed")
        return True

    def _finish(self, call: Callable[[float], None], deadline: float) -> None:
        """Repeat ``call`` until it returns: a call that timed out continues only when repeated."""
        while True:
            try:
                call(max(0.1, deadline - time.monotonic()))
            except KafkaException as error:
                if time.monotonic() > deadline or not error.args[0].retriable():
                    raise
                time.sleep(_RETRY_WAIT)
            else:
                return

    def _refusal(self, error: KafkaException) -> Exception:
        reason = cause_of(self._producer, error)
        if reason.code() in FENCED:
            return FencedError(f"changelog {self._topic}[{self._partition}]")
        return self._error("checkpoint failed", KafkaException(reason))

    def _produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, str | bytes | None]] | None,
        partition: int = -1,
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition=partition, headers=headers or None
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _readable_end(self, timeout: float) -> int:
        """Wait until the whole changelog can be read; return its end."""
        where = (self._topic, self._partition)
        deadline = time.monotonic() + timeout
        while True:
            try:
                ends = wait_until_readable(self._connection, [where], patience=self._patience)
                return ends[where]
            except OpenTransactionError as error:
                raise CheckpointError(
                    f"changelog {self._topic}[{self._partition}] cannot be opened, because"
                    f" checkpoints would be missed: {error}; then start the worker again"
                ) from error
            except KafkaError as error:
                # A broker that restarts; as long as any other step of opening waits for one.
                if is_denial(error) or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_WAIT)

    def _read(self, timeout: float, end: int) -> Iterator[Message]:
        consumer = Consumer(
            consumer_config(self._connection, auto_offset_reset="earliest", fetch_wait_max_ms=10)
        )
        try:
            consumer.assign([TopicPartition(self._topic, self._partition, 0)])
            while True:
                # consume() alone would wait for a full batch.
                first = consumer.poll(timeout)
                if first is None:
                    raise CheckpointError(
                        f"changelog {self._topic}[{self._partition}]: the broker returned nothing"
                        f" for {timeout:g} s"
                    )
                for message in (first, *consumer.consume(_RESTORE_BATCH, 0)):
                    problem = message.error()
                    if problem is None:
                        yield message
                    elif problem.code() != ClientError._PARTITION_EOF:  # noqa: SLF001
                        raise KafkaException(problem)
                    elif (message.offset() or 0) >= end:
                        return
        finally:
            consumer.close()

    def _error(self, what: str, error: KafkaException) -> CheckpointError:
        reason = error.args[0].str()
        return CheckpointError(f"changelog {self._topic}[{self._partition}] {what}: {reason}")
