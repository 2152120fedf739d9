"""The public consumer: typed signals from any consumer group."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from algo_panda.domain.errors import BadInputError, KafkaError
from algo_panda.domain.signals import TradingSignal
from algo_panda.kafka.admin import end_offsets, partition_counts
from algo_panda.kafka.client_config import check_consumer_config
from algo_panda.kafka.clients import KafkaConnection, consumer_config
from algo_panda.kafka.connection import connect, failure
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.group_start import GroupStart
from algo_panda.kafka.groups import raise_first_error
from algo_panda.kafka.reading import Ends, next_record
from algo_panda.settings import Settings, load_settings
from algo_panda.wire.codecs import Codec, load_codecs
from algo_panda.wire.errors import WireError

_STATE = confluent_kafka.KafkaError._STATE  # noqa: SLF001 (a public code, named this way)
_NO_OFFSET = confluent_kafka.KafkaError._NO_OFFSET  # noqa: SLF001
REMEMBERED_SIGNALS = 500_000
"""Signals whose ids a consumer remembers: more than a worker sends between two checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecodableRecord:
    """A record on the topic that is no signal."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    error: WireError
    """What is wrong with it; ``error.code`` is stable."""


class UndecodableSignalError(BadInputError):
    """A record on the topic is no signal; the message says which, and why."""

    def __init__(self, record: UndecodableRecord) -> None:
        super().__init__(
            f"{record.topic}[{record.partition}] offset {record.offset} is no signal: "
            f"{record.error} ({record.error.code})"
        )
        self.record = record


class SignalConsumer:
    """Yields the signals on a topic, each as a ``TradingSignal``.

    ::

        with SignalConsumer(group="my-service") as signals:
            for signal in signals:
                act_on(signal)

    *Delivery.* At least once. A signal counts as done when the next one is asked for, or at
    ``commit()``; what is done is committed every five seconds, at ``commit()`` and at the end of
    the ``with`` block. A signal that was in hand when the block ended (an exception, a ``break``)
    is not done: the group gets it again. So does a consumer that was killed get the signals of
    its last seconds.

    *Start.* Where a new group starts is committed when its first member joins, for every
    partition, before a signal is read: a signal that is written after that is not lost while no
    member runs. A partition that is added later is read from its first record. If the broker has
    removed the group's commits (``offsets.retention.minutes`` after its last member left), the
    group is a new group. If a commit names no record that the topic has, reading begins at the
    first record of that partition, and a warning is logged.

    *Duplicates.* The same signal may come twice, under the same ``signal_id``: because of the
    above, or because a worker that was killed sent it again. With ``deduplicate`` a signal is
    left out if its id is among those of the last 500,000 signals that this object has read. That
    memory ends with the object; to be sure across restarts, make ``signal_id`` unique in the store
    that you write to.

    *Bad records.* A record that is no signal raises ``UndecodableSignalError``, or goes to
    ``on_undecodable``. Either way it is done when the next signal is asked for.

    Only committed records are read. One object is for one thread, and for one ``with`` block.
    """

    def __init__(
        self,
        *,
        group: str,
        bootstrap_servers: str | None = None,
        topic: str | None = None,
        from_beginning: bool = False,
        until_end: bool = False,
        deduplicate: bool = False,
        on_undecodable: Callable[[UndecodableRecord], None] | None = None,
        client_config: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; nothing is asked of the broker yet.

        Args:
            group: the consumer group; consumers of one group share the partitions.
            bootstrap_servers: host:port[,host:port]; by default what ``panda`` would use.
            topic: the name on the broker; by default that of ``signals`` under
                ``PANDA_TOPIC_PREFIX``.
            from_beginning: where a group starts that has committed nothing on the topic: at the
                first record, or with those that come after its first member has joined.
            until_end: stop where the topic ended when the block was entered.
            deduplicate: leave out signals that were sent or delivered again.
            on_undecodable: takes records that are no signals.
            client_config: more librdkafka settings; they replace those of the ``PANDA_KAFKA_``
                settings. The ones that this class depends on are refused.

        Raises:
            ConfigurationError: ``client_config`` has a setting that is refused.
        """
        self._group = group
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._from_beginning = from_beginning
        self._until_end = until_end
        self._recent = _RecentSignals() if deduplicate else None
        self._on_undecodable = on_undecodable
        check_consumer_config(client_config or {})
        self._client_config = dict(client_config or {})
        self._codec: Codec[TradingSignal]
        self._connection: KafkaConnection
        self._consumer: Consumer | None = None
        self._start: GroupStart
        self._start_failure: KafkaError | None = None
        self._ends: Ends | None = None
        self._joined = False
        self._in_hand: Message | None = None

    def __enter__(self) -> Self:
        """Join the group.

        Raises:
            KafkaError: the broker does not answer, refuses us, or has no such topic.
            ConfigurationError: a ``PANDA_`` setting or a schema cannot be used.
        """
        settings = load_settings()
        topic = self._topic or settings.topic("signals")
        self._codec = load_codecs(
            registry_url=settings.schema_registry_url, topic_prefix=settings.topic_prefix
        ).signals
        self._connection = connection = self._chosen(settings)
        admin = connect(connection)
        partition_counts(admin, [topic])
        if self._until_end:
            self._ends = Ends(end_offsets(admin, [topic]))
        try:
            self._consumer = Consumer(
                consumer_config(
                    connection,
                    self._group,
                    # Only for commits that name no record: on_assign fixes the start.
                    auto_offset_reset="earliest",
                    enable_auto_commit=True,
                    enable_auto_offset_store=False,
                )
            )
        except KafkaException as error:
            raise failure("use client_config", error, connection) from error
        self._start = GroupStart(
            connection=connection,
            admin=admin,
            consumer=self._consumer,
            group=self._group,
            topic=topic,
            from_beginning=self._from_beginning,
        )
        self._consumer.subscribe([topic], on_assign=self._note_joined)
        return self

    def __exit__(self, *_: object) -> None:
        """Commit what is done and leave the group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def __iter__(self) -> Iterator[TradingSignal]:
        """The signals from here on."""
        return self

    def __next__(self) -> TradingSignal:
        """Wait for the next signal; the one before it is done.

        Raises:
            UndecodableSignalError: the next record is no signal, and nobody takes those.
            KafkaError: the topic or the group cannot be read.
            StopIteration: all has been read (``until_end``).
        """
        consumer = self._opened()
        self._finish()
        while (
            message := next_record(self._connection, consumer, self._ends, self._partitions)
        ) is not None:
            self._in_hand = message
            signal = self._read(message)
            if signal is not None:
                return signal
            self._finish()
        raise StopIteration

    def commit(self) -> None:
        """The signal in hand is done too; commit, and wait until the broker has it.

        Raises:
            KafkaError: the broker refuses, for instance because the group took the partition
                away meanwhile: another consumer gets those signals again.
        """
        consumer = self._opened()
        self._finish()
        try:
            raise_first_error(consumer.commit(asynchronous=False) or [])
        except KafkaException as error:
            if error.args[0].code() != _NO_OFFSET:
                raise failure(
                    f"commit for the group {self._group}", error, self._connection
                ) from error

    def _chosen(self, settings: Settings) -> KafkaConnection:
        if self._bootstrap_servers:
            servers = {"kafka_bootstrap_servers": self._bootstrap_servers}
            settings = settings.model_copy(update=servers)
        return kafka_connection(settings).with_client_config(self._client_config)

    def _read(self, message: Message) -> TradingSignal | None:
        try:
            signal = self._codec.decode(message.value(), message.timestamp()[1])
        except WireError as error:
            self._report(message, error)
            return None
        if self._recent is not None and not self._recent.add(signal.signal_id):
            return None
        return signal

    def _report(self, message: Message, error: WireError) -> None:
        record = UndecodableRecord(
            topic=str(message.topic()),
            partition=int(message.partition() or 0),
            offset=int(message.offset() or 0),
            key=message.key(),
            value=message.value(),
            error=error,
        )
        if self._on_undecodable is None:
            raise UndecodableSignalError(record) from error
        self._on_undecodable(record)

    def _finish(self) -> None:
        message, self._in_hand = self._in_hand, None
        if message is None:
            return
        try:
            self._opened().store_offsets(message)
        except KafkaException as error:
            # The group took the partition away: its new owner gets the signal again.
            if error.args[0].code() != _STATE:
                raise failure("store the offset", error, self._connection) from error

    def _opened(self) -> Consumer:
        if self._consumer is None:
            raise KafkaError("use a SignalConsumer in a with statement")
        if self._start_failure is not None:
            raise self._start_failure  # the client would read from anywhere
        return self._consumer

    def _partitions(self) -> list[tuple[str, int]] | None:
        if not self._joined:
            return None
        return [(tp.topic, tp.partition) for tp in self._opened().assignment()]

    def _note_joined(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self._start.fix([one.partition for one in partitions])
        except KafkaError as error:
            self._start_failure = error
            raise
        self._joined = True


class _RecentSignals:
    """Ids of the signals that were seen last."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._oldest_first: deque[str] = deque()

    def add(self, signal_id: str) -> bool:
        """Remember an id; return whether it is new."""
        if signal_id in self._ids:
            return False
        if len(self._oldest_first) >= REMEMBERED_SIGNALS:
            self._ids.discard(self._oldest_first.popleft())
        self._ids.add(signal_id)
        self._oldest_first.append(signal_id)
        return True
