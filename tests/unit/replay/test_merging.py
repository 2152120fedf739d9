"""Partitions become one stream whose order does not hang on how they are read."""

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.replay.merging import arrival_order, blocks
from algo_panda.replay.ticks import RECEIVED, Refuse, TickColumns

Where = tuple[int, int]
"""Partition and offset."""


class Pieces:
    """Partitions, each as the pieces in which it is read: times of arrival."""

    name = "pieces"
    topic_id = "T"
    count = None
    time_field = RECEIVED

    def __init__(self, partitions: Sequence[Sequence[Sequence[int]]]) -> None:
        self._pieces = partitions
        self.partitions = range(len(partitions))

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        first = 0
        for piece in self._pieces[partition]:
            offsets = range(first, first + len(piece))
            first += len(piece)
            ticks = [MarketTick(1, 1, 1, 0, 0, arrived) for arrived in piece]
            yield TickColumns.of(partition, offsets, ticks)


def merged(partitions: Sequence[Sequence[Sequence[int]]]) -> list[Where]:
    """Where the ticks stand, in the order in which they come out."""
    found: list[Where] = []
    for block in blocks(Pieces(partitions), lambda _: None):
        assert [part.columns.partition for part in block] == sorted(
            part.columns.partition for part in block
        )
        places = [
            (part.columns.partition, offset)
            for part in block
            for offset in part.columns.offsets.tolist()
        ]
        assert places
        found.extend(places[index] for index in arrival_order(block).tolist())
    return found


def expected(partitions: Sequence[Sequence[Sequence[int]]]) -> list[Where]:
    keyed: list[tuple[int, int, int]] = []
    for number, pieces in enumerate(partitions):
        arrived = [time for piece in pieces for time in piece]
        running = np.maximum.accumulate(arrived).tolist() if arrived else []
        keyed.extend((time, number, offset) for offset, time in enumerate(running))
    return [(number, offset) for _, number, offset in sorted(keyed)]


pieces = st.lists(st.lists(st.integers(0, 6), max_size=5), max_size=4)


@given(st.lists(pieces, min_size=1, max_size=4))
def test_the_order_is_arrival_then_partition_then_offset(
    partitions: list[list[list[int]]],
) -> None:
    assert merged(partitions) == expected(partitions)


def test_nothing_to_read_is_nothing() -> None:
    assert merged([[], [[]]]) == []


def test_one_moment_that_spans_many_pieces_is_kept_together() -> None:
    partitions = [[[5], [5], [5, 6]], [[5], [5]], [[4, 5]]]
    assert merged(partitions) == [
        (2, 0), (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 1), (0, 3)
    ]  # fmt: skip
