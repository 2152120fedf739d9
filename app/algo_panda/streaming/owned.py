"""The partitions that this worker owns, and how far each has come."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from algo_panda.streaming.changelog import PartitionChangelog, Positions
from algo_panda.streaming.marks import RecordMark
from algo_panda.streaming.operator import Message, Output, PartitionOperator

_SMALLEST_WINDOW = 1_000
_WINDOW_GROWTH = 4
_QUIET_SECONDS = 1.0


class OwnedPartition:
    """One partition from the moment it is ours until it is not.

    Where outputs leave before their checkpoint, no record is processed beyond the horizon of
    the last durable one: so whoever reads that checkpoint knows of which records outputs may be
    out, even those of a worker that was paused and has not noticed that it lost the partition.
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
            operator: what runs on it.
            changelog: where its state goes.
            positions: how far it is.
            sends_ahead: whether outputs leave before their checkpoint.
            ends: where the topics end now: up to there it is known that there is something to do.
            leading: inputs that the others wait for.
            is_outdated: whether the operator has to be made anew at the horizon.
            origin: written beside each checkpoint.
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
        """Waiting for the checkpoint's transaction, where delivery is exactly once."""
        self.lock = asyncio.Lock()
        """Held by whoever writes a checkpoint."""
        self.closed = False
        """Nothing may be processed or written any more."""
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
        """A former owner, or a zombie of it, may have sent outputs of records up to here."""
        self._ends = ends or {}
        self._due: dict[str, int] = {}

    @property
    def has_moved(self) -> bool:
        """Whether something was processed since the last checkpoint."""
        return self.next_offsets != self.durable.offsets

    @property
    def is_settled(self) -> bool:
        """Whether the last checkpoint holds all there is, and says so."""
        return not self.has_moved and (self.durable.is_settled or not self._sends_ahead)

    @property
    def wants_horizon(self) -> bool:
        """Whether there is something to do that may not be done before a checkpoint."""
        ends = (self._ends.get(topic, 0) > self._bounds[topic] for topic in self.next_offsets)
        return self._sends_ahead and not self.is_outdated and any(ends)

    @property
    def wants_first_checkpoint(self) -> bool:
        """Whether a checkpoint has to be durable before the first record is processed.

        One that says that nothing was sent after it does not hold from the first output on.
        """
        says_so = self.durable.is_handed_over and not self.durable.is_settled
        return self.wants_horizon or (self._sends_ahead and says_so)

    @property
    def is_at_horizon(self) -> bool:
        """Whether the next record may be one that may not be processed yet."""
        bounds = ((self.bound(topic), at) for topic, at in self.next_offsets.items())
        return any(bound is not None and at >= bound for bound, at in bounds)

    def bound(self, topic: str) -> int | None:
        """The first offset that may not be processed yet; None where there is no such bound."""
        return self._bounds[topic] if self._sends_ahead or self.is_outdated else None

    def next_positions(self, *, last: bool) -> Positions:
        """How far it is, for a checkpoint; nothing goes beyond its horizon until it is durable.

        Args:
            last: whether nothing is processed any more, or only once this is durable.
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
        """Mark the last record processed of every topic, be it by a former owner."""
        return {
            **self.durable.marks,
            **{topic: RecordMark.of(record) for topic, record in self.last_records.items()},
        }

    def wants_checkpoint(self, now: float) -> bool:
        """Whether something was processed that is worth one: outputs wait, or it has been a while.

        Records that cause no output can be processed again at no loss. A program that reads many
        of them, and keeps no output waiting, would write little but positions.
        """
        waits = self._sends_ahead or bool(self.outputs)
        return self.has_moved and (waits or now >= self.durable_since + _QUIET_SECONDS)

    def made_durable(self, positions: Positions, now: float) -> None:
        """Take note of a checkpoint, written at this time of the clock."""
        self.durable_since = now
        self.durable = positions
        self._bounds = positions.horizons

    def start_fetching(self) -> Mapping[str, int]:
        """Where a fetcher has to start; batch numbers begin anew."""
        offsets = {
            topic: offset
            for topic, offset in self.next_offsets.items()
            if topic in self._leading or not self.is_catching_up
        }
        self._due = dict.fromkeys(offsets, 0)
        return offsets

    def is_due(self, topic: str, number: int) -> bool:
        """Whether the batch of this number is the next; if so, the one after it is due then."""
        if self._due.get(topic) != number:
            return False
        self._due[topic] = number + 1
        return True

    def close(self) -> None:
        """Let go of it. A checkpoint under way is left to end by itself."""
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
    """What is owned now. The generation changes with everything that makes batches stale.

    Changed by the event loop's thread alone. The watchdog reads it from another: what is owned
    is therefore replaced as a whole, and never changed in place.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._partitions: Mapping[int, OwnedPartition] = {}

    def get(self, partition: int) -> OwnedPartition | None:
        """The owned partition of that number."""
        return self._partitions.get(partition)

    def partitions(self) -> tuple[OwnedPartition, ...]:
        """All, by number. From any thread."""
        owned = self._partitions
        return tuple(owned[number] for number in sorted(owned))

    def advance(self) -> None:
        """Declare every batch fetched so far stale: fetching starts again where each stands."""
        self.generation += 1

    def add(self, owned: Iterable[OwnedPartition]) -> None:
        """Own these as well."""
        self._partitions = {**self._partitions, **{one.partition: one for one in owned}}
        self.advance()

    def take(self, numbers: Iterable[int]) -> list[OwnedPartition]:
        """Own some no more: nothing of theirs is processed from here on. They are not closed."""
        taken = [self._partitions[n] for n in dict.fromkeys(numbers) if n in self._partitions]
        gone = {one.partition for one in taken}
        self._partitions = {n: one for n, one in self._partitions.items() if n not in gone}
        self.advance()
        return taken

    def discard(self, owned: OwnedPartition) -> bool:
        """Own this very object no more; whether it was owned."""
        if self._partitions.get(owned.partition) is not owned:
            return False
        self.take([owned.partition])
        return True

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all."""
        return tuple(sorted(self._partitions))
