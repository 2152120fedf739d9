"""Recorded ticks without those that the live runner sends to ``ticks.dlq`` for their partition."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from algo_panda.domain.ids import instrument_key
from algo_panda.kafka.placement import partition_of
from algo_panda.replay.ticks import Integers, RecordedTicks, Refuse, TickColumns, Unusable
from algo_panda.wire.errors import MisplacedKeyError


class PlacedTicks:
    """The ticks of a topic or a recording that lie in the partition of their key.

    Args:
        source: the ticks, with all partitions of the topic.
    """

    def __init__(self, source: RecordedTicks) -> None:
        self._source = source
        self._own: dict[int, int] = {}
        """Partitions by instrument token."""

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._source.name

    @property
    def topic_id(self) -> str:
        """Kafka's id of the topic."""
        return self._source.topic_id

    @property
    def time_field(self) -> int:
        """Field that says when a tick came."""
        return self._source.time_field

    @property
    def partitions(self) -> Sequence[int]:
        """Numbers of the partitions, rising."""
        return self._source.partitions

    @property
    def count(self) -> int | None:
        """Approximate number of ticks, misplaced ones included."""
        return self._source.count

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        """Read the ticks of one partition; ``refuse`` is also told of misplaced ones."""
        for columns in self._source.read(partition, refuse):
            yield self._placed(columns, refuse)

    def _placed(self, columns: TickColumns, refuse: Refuse) -> TickColumns:
        tokens = columns.fields[0]
        foreign = [
            token
            for token in np.unique(tokens).tolist()
            if self._partition_of(token) != columns.partition
        ]
        if not foreign:
            return columns
        is_foreign = np.isin(tokens, np.array(foreign, np.int64))
        self._refuse(columns, np.flatnonzero(is_foreign), refuse)
        return replace(
            columns, offsets=columns.offsets[~is_foreign], fields=columns.fields[:, ~is_foreign]
        )

    def _refuse(self, columns: TickColumns, indices: Integers, refuse: Refuse) -> None:
        for index in indices.tolist():
            token = int(columns.fields[0][index])
            error = MisplacedKeyError(
                instrument_key(token), columns.partition, self._partition_of(token)
            )
            refuse(
                Unusable(
                    partition=columns.partition,
                    offset=int(columns.offsets[index]),
                    code=error.code,
                    reason=str(error),
                )
            )

    def _partition_of(self, token: int) -> int:
        own = self._own.get(token)
        if own is None:
            own = partition_of(instrument_key(token), len(self._source.partitions))
            self._own[token] = own
        return own
