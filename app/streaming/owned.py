"""The partitions that this worker owns, and how far each has come."""

import asyncio
from collections.abc import Iterable, Mapping

from app.streaming.changelog import PartitionChangelog, Positions
from app.streaming.operator import Output, PartitionOperator


class OwnedPartition:
    """One partition from the moment it is ours until it is not."""

    def __init__(
        self,
        *,
        partition: int,
        operator: PartitionOperator,
        changelog: PartitionChangelog,
        positions: Positions,
    ) -> None:
        self.partition = partition
        self.operator = operator
        self.changelog = changelog
        self.topic_ids = positions.topic_ids
        self.next_offsets = dict(positions.offsets)
        self.durable_offsets: Mapping[str, int] = dict(positions.offsets)
        self.outputs: list[Output] = []
        """Waiting for the checkpoint's transaction, where delivery is exactly once."""
        self.lock = asyncio.Lock()
        """Held by whoever writes a checkpoint."""
        self.closed = False
        """Nothing may be processed or written any more."""
        self._due: dict[str, int] = {}

    @property
    def has_moved(self) -> bool:
        """Whether something was processed since the last checkpoint."""
        return self.next_offsets != self.durable_offsets

    def positions(self) -> Positions:
        """How far it has come."""
        return Positions(offsets=dict(self.next_offsets), topic_ids=self.topic_ids)

    def start_fetching(self) -> Mapping[str, int]:
        """Where a fetcher has to start; batch numbers begin anew."""
        self._due = dict.fromkeys(self.next_offsets, 0)
        return dict(self.next_offsets)

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


class Ownership:
    """What is owned now. The generation changes with everything that makes batches stale."""

    def __init__(self) -> None:
        self.generation = 0
        self._partitions: dict[int, OwnedPartition] = {}

    def get(self, partition: int) -> OwnedPartition | None:
        """The owned partition of that number."""
        return self._partitions.get(partition)

    def partitions(self) -> tuple[OwnedPartition, ...]:
        """All, by number."""
        return tuple(self._partitions[number] for number in sorted(self._partitions))

    def advance(self) -> None:
        """Declare every batch fetched so far stale: fetching starts again where each stands."""
        self.generation += 1

    def replace(self, owned: Iterable[OwnedPartition]) -> None:
        """Own these, and nothing else."""
        self.drop(self._partitions)
        self._partitions = {one.partition: one for one in owned}
        self.advance()

    def drop(self, numbers: Iterable[int]) -> None:
        """Let go of some."""
        for number in list(numbers):
            owned = self._partitions.pop(number, None)
            if owned is not None:
                owned.close()
        self.advance()
