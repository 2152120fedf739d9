"""Ticks that never were on a topic: one partition, numbered from 0 in the order they come in."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from algo_panda.domain.market import MarketTick
from algo_panda.replay.ticks import EVENT, Refuse, TickColumns

TOPIC_ID = "files"
"""Stands in signal ids where Kafka's id of a topic would."""

_PIECE = 8_192


class FileTicks:
    """The ticks of files.

    Args:
        name: what to call them to people.
        ticks: gives them from the first on, whenever it is called.
    """

    topic_id = TOPIC_ID
    time_field = EVENT
    partitions: Sequence[int] = (0,)
    count = None

    def __init__(self, name: str, ticks: Callable[[], Iterable[MarketTick]]) -> None:
        self.name = name
        self._ticks = ticks

    def read(self, partition: int, _refuse: Refuse, /) -> Iterator[TickColumns]:
        """All of them."""
        ticks = iter(self._ticks())
        first = 0
        while piece := list(islice(ticks, _PIECE)):
            yield TickColumns.of(partition, range(first, first + len(piece)), piece)
            first += len(piece)
