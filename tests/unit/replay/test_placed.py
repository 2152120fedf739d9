"""A replay takes the ticks that the live runner takes: those in the partition of their key."""

from collections.abc import Iterator, Sequence

from algo_panda.replay.placed import PlacedTicks
from algo_panda.replay.ticks import RECEIVED, Refuse, TickColumns, Unusable
from tests.unit.fakes.values import tick

# Java's murmur2 of "21", without its sign, is 1173551340: partition 0 of 4.
HOME = 0


class FourPartitions:
    """The same ticks of instrument 21 in each of its partitions, in two pieces."""

    name, topic_id, time_field = "four", "topic-a", RECEIVED
    partitions: Sequence[int] = range(4)
    count = 24

    def read(self, partition: int, _refuse: Refuse, /) -> Iterator[TickColumns]:
        for first in (0, 3):
            offsets = range(first, first + 3)
            ticks = [tick(100 + at, token=21, seconds=at) for at in offsets]
            yield TickColumns.of(partition, offsets, ticks)


def test_misplaced_ticks_are_left_out_and_reported():
    placed = PlacedTicks(FourPartitions())
    taken: dict[int, list[int]] = {}
    refused: list[Unusable] = []
    for partition in placed.partitions:
        pieces = list(placed.read(partition, refused.append))
        taken[partition] = [at for piece in pieces for at in piece.offsets.tolist()]
        assert all(len(piece.ticks()) == len(piece) for piece in pieces)
    everything = [0, 1, 2, 3, 4, 5]
    assert taken == {HOME: everything, 1: [], 2: [], 3: []}
    assert [(one.partition, one.offset) for one in refused] == [
        (partition, at) for partition in (1, 2, 3) for at in everything
    ]
    assert {one.code for one in refused} == {"MISPLACED_KEY"}
    assert refused[0].reason.startswith(
        "the key b'21' belongs to partition 0 and was written to partition 1"
    )
