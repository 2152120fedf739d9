"""The last ticks, for orders that arrive after the ticks that fill them."""

from collections import deque

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
        self._by_token: dict[int, deque[tuple[int, MarketTick]]] = {}
        self._tokens: deque[int] = deque()

    def add(self, offset: int, tick: MarketTick) -> None:
        """Keep a tick; offsets rise."""
        token = tick.instrument_token
        kept = self._by_token.get(token)
        if kept is None:
            kept = self._by_token[token] = deque()
        kept.append((offset, tick))
        self.end = offset + 1
        self._tokens.append(token)
        if len(self._tokens) > self._most:
            self._forget_one()

    @property
    def is_full(self) -> bool:
        """Whether the next one added makes the first one go."""
        return len(self._tokens) >= self._most

    def after(self, token: int, offset: int) -> list[tuple[int, MarketTick]]:
        """The ticks of an instrument behind ``offset``, oldest first."""
        found: list[tuple[int, MarketTick]] = []
        for one in reversed(self._by_token.get(token, ())):
            if one[0] <= offset:
                break
            found.append(one)
        found.reverse()
        return found

    def _forget_one(self) -> None:
        token = self._tokens.popleft()
        kept = self._by_token[token]
        self.first = kept.popleft()[0] + 1
        if not kept:
            del self._by_token[token]
