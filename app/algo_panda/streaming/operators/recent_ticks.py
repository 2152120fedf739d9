"""The last ticks, for orders that arrive after the ticks that fill them."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from operator import itemgetter

from algo_panda.domain.market import MarketTick


class RecentTicks:
    """The last ticks of one partition, by instrument."""

    def __init__(self, first: int, most: int) -> None:
        """Begin empty.

        Args:
            first: offset of the tick that will be added first, or before it.
            most: how many are kept.
        """
        self.first = first
        """Every tick from this offset on that was added is here."""
        self.end = first
        """Offset behind the last one."""
        self._most = most
        self._by_token: dict[int, list[tuple[int, MarketTick]]] = {}
        """Oldest first; those in front that were forgotten are removed many at a time."""
        self._forgotten: dict[int, int] = {}
        """How many in front were forgotten, by token."""
        self._tokens: deque[int] = deque()

    def add(self, offset: int, tick: MarketTick) -> None:
        """Keep a tick; offsets rise."""
        token = tick.instrument_token
        kept = self._by_token.get(token)
        if kept is None:
            kept = self._by_token[token] = []
            self._forgotten[token] = 0
        kept.append((offset, tick))
        self.end = offset + 1
        self._tokens.append(token)
        if len(self._tokens) > self._most:
            self._forget_one()

    @property
    def is_full(self) -> bool:
        """Whether the next one added makes the first one go."""
        return len(self._tokens) >= self._most

    def since(self, token: int, offset: int) -> Iterator[tuple[int, MarketTick]]:
        """The ticks of an instrument from ``offset`` on, oldest first; before another is added."""
        kept = self._by_token.get(token, ())
        return ticks_since(kept, offset, self._forgotten.get(token, 0))

    def _forget_one(self) -> None:
        token = self._tokens.popleft()
        kept, forgotten = self._by_token[token], self._forgotten[token]
        self.first = kept[forgotten][0] + 1
        forgotten += 1
        if forgotten * 2 > len(kept):
            del kept[:forgotten]
            forgotten = 0
        self._forgotten[token] = forgotten
        if not kept:
            del self._by_token[token], self._forgotten[token]


def ticks_since(
    ticks: Sequence[tuple[int, MarketTick]], offset: int, start: int = 0
) -> Iterator[tuple[int, MarketTick]]:
    """Yield the ticks with their offsets from ``offset`` on, without a look at those before.

    Args:
        ticks: by offset.
        offset: of the first tick that is wanted.
        start: index at which the search begins.
    """
    for index in range(bisect_left(ticks, offset, start, key=itemgetter(0)), len(ticks)):
        yield ticks[index]
