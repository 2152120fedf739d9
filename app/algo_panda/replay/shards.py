"""What strategies say, asked in several processes: each has some of the instruments.

Nothing that a strategy knows is of more than one instrument, so it does not matter who has which.
What was said is put back into the order of the ticks, and nobody behind it sees a difference.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np

from algo_panda.domain.market import MarketTick
from algo_panda.replay.hearing import Heard
from algo_panda.replay.merging import Block
from algo_panda.replay.observer import Observer
from algo_panda.replay.packing import Packed, Share, together
from algo_panda.replay.processes import LOOK_SECONDS, WorkersError
from algo_panda.replay.ticks import Integers, TickColumns

_TOKEN = MarketTick._fields.index("instrument_token")


class Reply(NamedTuple):
    """What a process says to ticks."""

    said: Sequence[Packed]
    """To those of each partition."""
    seen: Observer
    """What befell its strategies since its last reply."""


Ask = Callable[[Sequence[TickColumns]], Future[Reply]]
"""Hands ticks to a process, partition by partition."""


class Shards:
    """Which process has which instrument: one that is new goes to who had the least to do so far.

    Args:
        count: of processes.
        strategies: how many there are on each instrument; ticks of others are nobody's.
    """

    def __init__(self, count: int, strategies: Mapping[int, int]) -> None:
        self._tokens = np.array(sorted(strategies), np.int64)
        self._strategies = np.array([strategies[t] for t in self._tokens.tolist()], np.int64)
        self._owners = np.full(len(self._tokens), -1)
        self._done = [0] * count

    def rows(self, columns: TickColumns) -> Sequence[Integers]:
        """The ticks of each process, as indices into ``columns``, rising."""
        tokens = columns.fields[_TOKEN]
        places = np.asarray(np.searchsorted(self._tokens, tokens), np.int64)
        places[places == len(self._tokens)] = 0
        rows = np.flatnonzero(self._tokens[places] == tokens)
        places = places[rows]
        work = np.bincount(places, minlength=len(self._tokens)) * self._strategies
        self._assign(work)
        owners = self._owners[places]
        return [rows[owners == number] for number in range(len(self._done))]

    def _assign(self, work: Integers) -> None:
        """Find somebody for instruments that nobody has, and count the work of all."""
        for number in range(len(self._done)):
            self._done[number] += int(work[self._owners == number].sum())
        new = np.flatnonzero((self._owners < 0) & (work > 0))
        for place in new[np.argsort(-work[new], kind="stable")].tolist():
            number = self._done.index(min(self._done))
            self._owners[place] = number
            self._done[number] += int(work[place])


class _Asked(NamedTuple):
    """Ticks on their way."""

    block: Block
    rows: Sequence[Sequence[Integers]]
    """Of each partition, the ticks of each process."""
    replies: Mapping[int, Future[Reply]]
    """Of the processes that have any of them, by number."""


class ShardedHearing:
    """Runs strategies in several processes.

    Args:
        processes: one for each shard.
        shards: which instruments each of them has.
        ahead: how many blocks are asked about before the answers to an earlier one are taken.
        observer: is told what befell strategies.
    """

    def __init__(
        self, processes: Sequence[Ask], shards: Shards, *, ahead: int, observer: Observer
    ) -> None:
        self._processes = processes
        self._shards = shards
        self._ahead = ahead
        self._observer = observer
        self.is_done = False
        """Whether all ticks were heard."""

    def hear(
        self, blocks: Iterable[Block], stopped: Callable[[], bool], /
    ) -> Iterator[tuple[Block, Sequence[Heard]]]:
        """See ``Listens``.

        Raises:
            WorkersError: a process ended.
        """
        for asked in self._asking(blocks):
            replies = _results(asked.replies, stopped)
            if replies is None:
                return
            for reply in replies.values():
                self._observer.add(reply.seen)
            yield asked.block, _heard(asked, replies)
        self.is_done = not stopped()

    def _asking(self, blocks: Iterable[Block]) -> Iterator[_Asked]:
        """Every block, when those behind it have been asked about, too."""
        waiting: deque[_Asked] = deque()
        for block in blocks:
            waiting.append(self._asked(block))
            if len(waiting) > self._ahead:
                yield waiting.popleft()
        yield from waiting

    def _asked(self, block: Block) -> _Asked:
        rows = [self._shards.rows(part.columns) for part in block]
        replies: dict[int, Future[Reply]] = {}
        for number, ask in enumerate(self._processes):
            shard = [
                _some(part.columns, mine[number])
                for part, mine in zip(block, rows, strict=True)
                if len(mine[number])
            ]
            if shard:
                replies[number] = ask(shard)
        return _Asked(block, rows, replies)


def _heard(asked: _Asked, replies: Mapping[int, Reply]) -> Sequence[Heard]:
    said = {number: iter(reply.said) for number, reply in replies.items()}
    heard: list[Heard] = []
    for part, rows in zip(asked.block, asked.rows, strict=True):
        shares: list[Share] = [
            (mine, next(said[number])) for number, mine in enumerate(rows) if len(mine)
        ]
        heard.append(together(part.columns, shares))
    return heard


def _results(
    replies: Mapping[int, Future[Reply]], stopped: Callable[[], bool]
) -> Mapping[int, Reply] | None:
    """None: it was stopped before they were there."""
    pending = set(replies.values())
    while pending:
        done, pending = wait(pending, LOOK_SECONDS, FIRST_EXCEPTION)
        if (pending or any(_is_broken(future) for future in done)) and stopped():
            return None
        if any(map(_is_broken, done)):
            raise WorkersError(
                "a worker process ended before the replay did: killed, for want of memory perhaps, "
                "or ended by a strategy; what it said is above"
            )
        for future in done:
            future.result()  # whatever it raised is raised here
    return {number: future.result() for number, future in replies.items()}


def _is_broken(future: Future[Reply]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _some(columns: TickColumns, rows: Integers) -> TickColumns:
    return TickColumns(
        partition=columns.partition,
        offsets=columns.offsets[rows],
        fields=columns.fields[:, rows],
    )
