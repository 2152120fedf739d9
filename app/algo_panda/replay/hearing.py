"""What strategies say at recorded ticks, and how it stands on the wire."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.replay.merging import Block
from algo_panda.replay.spoken import Outcome, Spoken, spoken_at
from algo_panda.replay.ticks import TickColumns
from algo_panda.runner.partition import PartitionRunner
from algo_panda.wire.errors import WireError
from algo_panda.wire.refusal import refusal


@dataclass(eq=False)
class Heard:
    """Ticks of one partition, and what strategies said at them.

    Where nobody trades, nobody asks tick by tick, and the properties are never computed.
    """

    columns: TickColumns
    spoken: Spoken
    """A signal that cannot be written is a refusal here."""
    values: Sequence[bytes]
    """Of the records of its signals."""

    @property
    def partition(self) -> int:
        """Whose ticks they are."""
        return self.columns.partition

    @cached_property
    def ticks(self) -> Sequence[MarketTick]:
        """The ticks as strategies get them."""
        return self.columns.ticks()

    @cached_property
    def offsets(self) -> Sequence[int]:
        """Of the ticks."""
        offsets: list[int] = self.columns.offsets.tolist()
        return offsets

    @cached_property
    def said(self) -> Sequence[Sequence[Outcome]]:
        """At each tick."""
        return self.spoken.said(len(self.columns))


class Listens(Protocol):
    """Hands ticks to strategies."""

    def hear(
        self, blocks: Iterable[Block], stopped: Callable[[], bool], /
    ) -> Iterator[tuple[Block, Sequence[Heard]]]:
        """What strategies say at the ticks of each block, partition by partition.

        Args:
            blocks: of ticks.
            stopped: asked where there is something to wait for; True ends it.
        """
        ...


class Hearing:
    """Runs strategies in this process.

    Args:
        partitions: run the strategies, by partition.
        encode: a signal as the value of a record.
        keeps_ticks: whether somebody asks for what was said tick by tick. Where nobody does,
            ticks are gone before the next are made: they come to lie in memory that is at hand.
    """

    def __init__(
        self,
        partitions: Mapping[int, PartitionRunner],
        encode: Callable[[TradingSignal], bytes],
        *,
        keeps_ticks: bool,
    ) -> None:
        self._partitions = partitions
        self._encode = encode
        self._keeps_ticks = keeps_ticks

    def hear(
        self, blocks: Iterable[Block], _stopped: Callable[[], bool], /
    ) -> Iterator[tuple[Block, Sequence[Heard]]]:
        """See ``Listens``."""
        for block in blocks:
            yield block, [self.heard(part.columns) for part in block]

    def heard(self, columns: TickColumns) -> Heard:
        """What strategies say at the ticks of one partition, of which those before were heard."""
        ticks, offsets = columns.ticks(), columns.offsets.tolist()
        said = self._partitions[columns.partition].process_batch(ticks, offsets)
        spoken = spoken_at(said)
        try:
            values = list(map(self._encode, spoken.signals))
        except WireError:
            said = [[self._writable(outcome) for outcome in some] for some in said]
            spoken = spoken_at(said)
            values = list(map(self._encode, spoken.signals))
        heard = Heard(columns, spoken, values)
        if self._keeps_ticks:
            heard.ticks, heard.offsets, heard.said = ticks, offsets, said
        return heard

    def _writable(self, outcome: Outcome) -> Outcome:
        """``outcome``, or the refusal of a signal that cannot be written."""
        if isinstance(outcome, TradingSignal):
            try:
                self._encode(outcome)
            except WireError as error:
                return refusal(outcome, error)
        return outcome
