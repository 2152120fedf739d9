"""Recorded ticks, column by column, as they are stored and merged; rows only for strategies."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from algo_panda.domain.market import MarketTick, new_tick

Integers = NDArray[np.int64]

RECEIVED = MarketTick._fields.index("received_time_us")
EVENT = MarketTick._fields.index("event_time_us")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A record that is no tick, and that the live runner would have sent to ``ticks.dlq``."""

    partition: int
    offset: int
    code: str
    """As in the dead letter's header."""
    reason: str


Refuse = Callable[[Unusable], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TickColumns:
    """Ticks of one partition in offset order."""

    partition: int
    offsets: Integers
    """Shape (n,)."""
    fields: Integers
    """Shape (6, n): the fields of ``MarketTick`` in its order and units."""

    @classmethod
    def of(
        cls, partition: int, offsets: Sequence[int], ticks: Sequence[MarketTick]
    ) -> "TickColumns":
        """Columns of ``ticks``, each with its offset."""
        rows = np.array(ticks, np.int64).reshape(len(ticks), len(MarketTick._fields))
        return cls(
            partition=partition,
            offsets=np.array(offsets, np.int64),
            fields=np.ascontiguousarray(rows.T),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def ticks(self) -> list[MarketTick]:
        """The ticks as strategies get them."""
        columns: list[list[int]] = self.fields.tolist()
        return list(map(new_tick, repeat(MarketTick), zip(*columns, strict=True)))

    def part(self, start: int, stop: int | None = None) -> "TickColumns":
        """The ticks from ``start`` to before ``stop``."""
        return replace(self, offsets=self.offsets[start:stop], fields=self.fields[:, start:stop])

    def then(self, other: "TickColumns") -> "TickColumns":
        """These, and behind them those of ``other``."""
        return replace(
            self,
            offsets=np.concatenate((self.offsets, other.offsets)),
            fields=np.concatenate((self.fields, other.fields), axis=1),
        )


class RecordedTicks(Protocol):
    """A source of ticks that gives the same whenever it is read."""

    @property
    def name(self) -> str:
        """What to call it to people."""
        ...

    @property
    def topic_id(self) -> str:
        """Kafka's id of the topic that offsets count in; signal ids are made of it."""
        ...

    @property
    def time_field(self) -> int:
        """Which field says when a tick came: ``RECEIVED``, or ``EVENT`` where none was."""
        ...

    @property
    def partitions(self) -> Sequence[int]:
        """Numbers of its partitions, rising."""
        ...

    @property
    def count(self) -> int | None:
        """About how many ticks there are; None where that is not known beforehand."""
        ...

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        """The ticks of one partition in offset order, piece by piece.

        A piece may be empty: a chance to stop.

        Args:
            partition: which.
            refuse: is told of records that are no ticks.

        Raises:
            PandaError: it cannot be read; the message says where.
        """
        ...
