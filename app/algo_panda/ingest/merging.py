"""Several sources as one stream in event-time order."""

import heapq
from collections.abc import Iterable, Iterator, Sequence

from algo_panda.ingest.source import LocatedTick, Row, TickSource


def in_event_order(sources: Sequence[TickSource]) -> Iterable[Row]:
    """All rows of ``sources``, merged by event time.

    Rows of one source keep their order, whatever their times; a bad row comes right after the
    row that it stands behind. Where times are equal, the earlier named source goes first.
    """
    if len(sources) == 1:
        return sources[0]
    timed = (_timed(source, index) for index, source in enumerate(sources))
    return (row for _, _, row in heapq.merge(*timed, key=lambda item: item[:2]))


def _timed(source: TickSource, index: int) -> Iterator[tuple[int, int, Row]]:
    """Each row with the latest event time up to it."""
    latest = 0
    for row in source:
        if isinstance(row, LocatedTick) and row.tick.event_time_us > latest:
            latest = row.tick.event_time_us
        yield latest, index, row
