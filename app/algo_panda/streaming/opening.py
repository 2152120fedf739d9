"""Opens partitions: fences the former owner, restores the state, finds where to continue."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from algo_panda.domain.containment import EscapedError, is_ordinary
from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection, consumer_config
from algo_panda.streaming.changelog import (
    FencedError,
    PartitionChangelog,
    Positions,
    UnreadableStateError,
)
from algo_panda.streaming.inputs import check_topic_ids
from algo_panda.streaming.operator import (
    Delivery,
    Probe,
    Replay,
    Start,
    StateFormatError,
    StreamSpec,
)
from algo_panda.streaming.owned import OwnedPartition
from algo_panda.streaming.rereading import reread
from algo_panda.streaming.telemetry import StreamTelemetry
from algo_panda.streaming.truncation import check_not_truncated
from algo_panda.wire.errors import WireError

BROKER_TIMEOUT = 60.0
"""Seconds that writing or restoring a checkpoint may take."""

_ENDS_TIMEOUT = 5.0


class PartitionOpener:
    """Opener of the partitions of a program. Used from several threads."""

    def __init__(
        self,
        *,
        spec: StreamSpec,
        connection: KafkaConnection,
        topic_ids: Mapping[str, str],
        telemetry: StreamTelemetry,
        probe: Probe,
    ) -> None:
        self._spec = spec
        self._connection = connection
        self._topic_ids = topic_ids
        self._telemetry = telemetry
        self._probe = probe
        self._stopped = threading.Event()
        self._restoring = threading.Lock()

    def open(self, number: int) -> OwnedPartition | None:
        """Open a partition; return None if another worker does so, or after ``stop``. Blocks.

        Raises:
            TopicRecreatedError: the state is of another topic of the same name.
            TopicTruncatedError: an input lost records that are part of the state.
            UnreadableStateError: the state has a form that this version does not know.
            MissingCheckpointError: there is state without the offsets that it stands for.
            KafkaError: the broker did not answer in time, or refuses.
        """
        try:
            return self._open(number)
        except BaseException as error:  # not every kind would leave this thread
            if is_ordinary(error):
                raise
            raise EscapedError(
                error, f"opening partition {number} of {self._spec.group}"
            ) from error

    def stop(self) -> None:
        """Cancel the opening of partitions. From any thread."""
        self._stopped.set()

    def _open(self, number: int) -> OwnedPartition | None:
        started = time.perf_counter()
        changelog = PartitionChangelog(
            connection=self._connection,
            topic=self._spec.changelog,
            partition=number,
            transactional_id=f"{self._spec.group}-{number}",
            probe=self._probe,
        )
        restored = changelog.open(BROKER_TIMEOUT)
        self._probe("restore: changelog read")
        positions = self._positions(number, restored.positions)
        # Pure computation: several threads at once take twice as long.
        with self._restoring:
            operator = self._spec.create(number, self._topic_ids)
            start = Start(
                offsets=positions.offsets,
                is_settled=positions.is_settled,
                is_handed_over=positions.is_handed_over,
                origin=positions.origin,
            )
            try:
                beginning = operator.restore(restored.state, start)
            except (WireError, StateFormatError) as error:
                raise UnreadableStateError(self._spec.changelog, number, error) from error
        if beginning.replay is not None and not self._run(beginning.replay, number):
            operator.close()
            return None
        owned = OwnedPartition(
            partition=number,
            operator=operator,
            changelog=changelog,
            positions=positions,
            sends_ahead=self._spec.delivery is Delivery.AT_LEAST_ONCE,
            ends=self._ends(number),
            leading=self._spec.leading,
            is_outdated=beginning.is_outdated,
            origin=beginning.origin,
        )
        if beginning.announcements or owned.wants_first_checkpoint:
            # Now, while other partitions restore their state, and not when ticks wait for it.
            first = owned.next_positions(last=False)
            try:
                changelog.commit(
                    list(operator.changed()), first, beginning.announcements, BROKER_TIMEOUT
                )
            except FencedError:
                owned.close()
                return None
            owned.made_durable(first, time.monotonic())
        self._telemetry.restored(number, restored.records_read, time.perf_counter() - started)
        return owned

    def check_inputs(self, number: int, positions: Positions) -> None:
        """Check that the inputs of a partition still have the records that were processed. Blocks.

        Raises:
            TopicTruncatedError: one does not.
            KafkaError: the broker did not answer in time, or refuses.
        """
        check_not_truncated(self._connection, self._spec, number, positions, BROKER_TIMEOUT)

    def _run(self, replay: Replay, number: int) -> bool:
        """Return whether the replay was completed."""
        where = TopicPartition(replay.topic, number, replay.first)
        for messages in reread(self._connection, where, replay.end, BROKER_TIMEOUT):
            if self._stopped.is_set():
                return False
            replay.take(messages)
        replay.finish()
        self._probe("restore: ticks replayed")
        return True

    def _positions(self, number: int, checkpoint: Positions | None) -> Positions:
        known = checkpoint or Positions(offsets={}, horizons={}, topic_ids={})
        check_topic_ids(known, self._topic_ids, self._spec, number)
        if checkpoint is not None:
            self.check_inputs(number, checkpoint)
        inputs = self._spec.inputs
        first = self._first(number, [topic for topic in inputs if topic not in known.offsets])
        return Positions(
            offsets={**first, **{t: known.offsets[t] for t in inputs if t in known.offsets}},
            horizons={**first, **{t: known.horizons[t] for t in inputs if t in known.horizons}},
            topic_ids={topic: self._topic_ids[topic] for topic in inputs},
            marks={topic: known.marks[topic] for topic in inputs if topic in known.marks},
            origin=known.origin,
            is_handed_over=known.is_handed_over,
        )

    def _first(self, number: int, topics: Sequence[str]) -> dict[str, int]:
        """Return the offsets where a program without a checkpoint begins."""
        from_the_end = [topic for topic in topics if topic in self._spec.from_the_end]
        whole = [topic for topic in topics if topic not in from_the_end]
        return {
            **(self._watermarks(number, whole, BROKER_TIMEOUT, 0) if whole else {}),
            **(self._watermarks(number, from_the_end, BROKER_TIMEOUT, 1) if from_the_end else {}),
        }

    def _ends(self, number: int) -> dict[str, int]:
        """Return the ends of the topics; nothing if the broker does not answer in 5 s."""
        if self._spec.delivery is Delivery.EXACTLY_ONCE:
            return {}
        try:
            return self._watermarks(number, self._spec.inputs, _ENDS_TIMEOUT, 1)
        except KafkaError:
            return {}

    def _watermarks(
        self, number: int, topics: Iterable[str], timeout: float, which: int
    ) -> dict[str, int]:
        """Return the first offsets (0), or those after the last records (1)."""
        consumer = Consumer(consumer_config(self._connection))
        try:
            return {
                topic: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout)[which]
                for topic in topics
            }
        except KafkaException as error:
            names = ", ".join(topics)
            raise KafkaError(
                f"cannot read the offsets of {names}[{number}]: {error.args[0].str()}"
            ) from error
        finally:
            consumer.close()
