"""Partitions that this worker owns, and the position of each."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from algo_panda.streaming.changelog import PartitionChangelog, Positions
from algo_panda.streaming.marks import RecordMark
from algo_panda.streaming.operator import Message, Output, PartitionOperator

_SMALLEST_WINDOW = 1_000
_WINDOW_GROWTH = 4
_QUIET_SECONDS = 1.0


class OwnedPartition:
    """One owned partition, from its opening to its release.

    If outputs are sent before their checkpoint, no record at or above the horizon of the last
    durable checkpoint is processed. So a reader of that checkpoint knows of which records outputs
    may have been sent, even by a suspended worker that has not noticed that it lost the partition.
    """

    def __init__(
        self,
        *,
        partition: int,
        operator: PartitionOperator,
        changelog: PartitionChangelog,
        positions: Positions,
        sends_ahead: bool,
        ends: Mapping[str, int] | None = None,
        leading: Sequence[str] = (),
        is_outdated: bool = False,
        origin: bytes | None = None,
    ) -> None:
        """Take a partition as it was restored.

        Args:
            partition: its number.
            operator: processes its records.
            changelog: takes its checkpoints.
            positions: the restored positions.
            sends_ahead: whether outputs are sent before their checkpoint.
            ends: ends of the topics now: records up to there will be processed next.
            leading: inputs that the others wait for.
            is_outdated: whether the operator must be replaced at the horizon.
            origin: recorded with each checkpoint.
        """
        self.partition = partition
        self.operator = operator
        self.changelog = changelog
        self.next_offsets = dict(positions.offsets)
        self.last_records: dict[str, Message] = {}
        """The last record that was processed here, by topic."""
        self.durable = positions
        self.durable_since = float("-inf")
        """Time of the clock of the last checkpoint written here."""
        self.outputs: list[Output] = []
        """Outputs that wait for the transaction of a checkpoint, with exactly-once delivery."""
        self.lock = asyncio.Lock()
        """Held while a checkpoint is written."""
        self.closed = False
        """Whether processing and writing are over."""
        self.is_outdated = is_outdated
        self.is_catching_up = bool(leading)
        """Whether only leading inputs are read."""
        self.current_at = float("-inf")
        """Time of the clock up to which all records of leading inputs are known to be processed."""
        self._leading = leading
        self._origin = origin
        self._sends_ahead = sends_ahead
        self._bounds: Mapping[str, int] = positions.horizons
        self._inherited = positions.horizons
        """A former owner, even a suspended one, may send outputs of records below these offsets."""
        self._ends = ends or {}
        self._due: dict[str, int] = {}

    @property
    def has_moved(self) -> bool:
        """Return whether records were processed since the last checkpoint."""
        return self.next_offsets != self.durable.offsets

    @property
    def is_settled(self) -> bool:
        """Return whether the last checkpoint is complete, and has no horizon above its offsets."""
        return not self.has_moved and (self.durable.is_settled or not self._sends_ahead)

    @property
    def wants_horizon(self) -> bool:
        """Return whether known records cannot be processed before a checkpoint."""
        ends = (self._ends.get(topic, 0) > self._bounds[topic] for topic in self.next_offsets)
        return self._sends_ahead and not self.is_outdated and any(ends)

    @property
    def wants_first_checkpoint(self) -> bool:
        """Return whether a checkpoint must be durable before the first record is processed.

        One with the header for a clean stop is no longer true after the first output.
        """
        says_so = self.durable.is_handed_over and not self.durable.is_settled
        return self.wants_horizon or (self._sends_ahead and says_so)

    @property
    def is_at_horizon(self) -> bool:
        """Return whether the next record may be at or above the horizon."""
        bounds = ((self.bound(topic), at) for topic, at in self.next_offsets.items())
        return any(bound is not None and at >= bound for bound, at in bounds)

    def bound(self, topic: str) -> int | None:
        """Return the first offset that may not be processed yet; None if there is no limit."""
        return self._bounds[topic] if self._sends_ahead or self.is_outdated else None

    def next_positions(self, *, last: bool) -> Positions:
        """Return the positions for a checkpoint. They limit processing until it is durable.

        Args:
            last: whether no record is processed before the checkpoint is durable.
        """
        horizons = {topic: self._horizon(topic, last) for topic in self.next_offsets}
        self._bounds = {
            topic: min(bound, horizons.get(topic, bound)) for topic, bound in self._bounds.items()
        }
        return Positions(
            offsets=dict(self.next_offsets),
            horizons=horizons,
            topic_ids=self.durable.topic_ids,
            marks=self.marks(),
            origin=self._origin,
            is_handed_over=last or not self._sends_ahead,
        )

    def marks(self) -> Mapping[str, RecordMark]:
        """Return the marks of the last processed records, also of those of a former owner."""
        return {
            **self.durable.marks,
            **{topic: RecordMark.of(record) for topic, record in self.last_records.items()},
        }

    def wants_checkpoint(self, now: float) -> bool:
        """Return whether to write one: outputs wait, or the last one is more than a second old.

        Records without outputs can be processed again at no loss. A program that reads many of
        them would otherwise write many checkpoints that only contain positions.
        """
        waits = self._sends_ahead or bool(self.outputs)
        return self.has_moved and (waits or now >= self.durable_since + _QUIET_SECONDS)

    def made_durable(self, positions: Positions, now: float) -> None:
        """Record that a checkpoint is durable, written at this time of the clock."""
        self.durable_since = now
        self.durable = positions
        self._bounds = positions.horizons

    def start_fetching(self) -> Mapping[str, int]:
        """Return the offsets to fetch from; batch numbers start again at 0."""
        offsets = {
            topic: offset
            for topic, offset in self.next_offsets.items()
            if topic in self._leading or not self.is_catching_up
        }
        self._due = dict.fromkeys(offsets, 0)
        return offsets

    def is_due(self, topic: str, number: int) -> bool:
        """Return whether the batch of this number is due; if so, expect the next number."""
        if self._due.get(topic) != number:
            return False
        self._due[topic] = number + 1
        return True

    def close(self) -> None:
        """Release it. A checkpoint that is being written is not interrupted."""
        if not self.closed:
            self.closed = True
            self.operator.close()

    def _horizon(self, topic: str, last: bool) -> int:
        return max(self._own_horizon(topic, last), self._inherited[topic])

    def _own_horizon(self, topic: str, last: bool) -> int:
        at = self.next_offsets[topic]
        if last or not self._sends_ahead or self.is_outdated:
            return at
        processed = at - self.durable.offsets[topic]
        window = max(_SMALLEST_WINDOW, _WINDOW_GROWTH * processed)
        return max(at + window, self._ends.get(topic, 0))


class Ownership:
    """Partitions that are owned now. The generation changes whenever batches become stale.

    Only the thread of the event loop changes it. The watchdog reads it from another thread: the
    mapping is therefore replaced as a whole, and never changed in place.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._partitions: Mapping[int, OwnedPartition] = {}

    def get(self, partition: int) -> OwnedPartition | None:
        """Return the owned partition of that number, or None."""
        return self._partitions.get(partition)

    def partitions(self) -> tuple[OwnedPartition, ...]:
        """Return all partitions, by number. From any thread."""
        owned = self._partitions
        return tuple(owned[number] for number in sorted(owned))

    def advance(self) -> None:
        """Make all fetched batches stale: fetching starts again at the positions."""
        self.generation += 1

    def add(self, owned: Iterable[OwnedPartition]) -> None:
        """Add partitions."""
        self._partitions = {**self._partitions, **{one.partition: one for one in owned}}
        self.advance()

    def take(self, numbers: Iterable[int]) -> list[OwnedPartition]:
        """Remove partitions and return them: no more of their records are processed."""
        taken = [self._partitions[n] for n in dict.fromkeys(numbers) if n in self._partitions]
        gone = {one.partition for one in taken}
        self._partitions = {n: one for n, one in self._partitions.items() if n not in gone}
        self.advance()
        return taken

    def discard(self, owned: OwnedPartition) -> bool:
        """Remove this object; return whether it was owned."""
        if self._partitions.get(owned.partition) is not owned:
            return False
        self.take([owned.partition])
        return True

    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of all partitions."""
        return tuple(sorted(self._partitions))
