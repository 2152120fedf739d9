"""What strategies say at recorded ticks, and how it stands on the wire."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from app.domain.market import MarketTick
from app.domain.signals import TradingSignal
from app.replay.merging import Block
from app.replay.spoken import Outcome, Spoken
from app.replay.ticks import TickColumns
from app.runner.partition import PartitionRunner
from app.wire.errors import WireError
from app.wire.refusal import refusal


class Heard(NamedTuple):
    """Ticks of one partition, as they were handed to strategies, and what these said."""

    partition: int
    ticks: Sequence[MarketTick]
    offsets: Sequence[int]
    said: Sequence[Sequence[Outcome]]
    """At each tick; a signal that cannot be written is a refusal here."""
    spoken: Spoken
    values: Sequence[bytes]
    """Of the records of its signals."""


class Listens(Protocol):
    """Hands ticks to strategies."""

    def hear(self, blocks: Iterable[Block], /) -> Iterator[tuple[Block, Sequence[Heard]]]:
        """What strategies say at the ticks of each block, partition by partition."""
        ...


class Hearing:
    """Runs strategies in this process.

    Args:
        partitions: run the strategies, by partition.
        encode: a signal as the value of a record.
    """

    def __init__(
        self, partitions: Mapping[int, PartitionRunner], encode: Callable[[TradingSignal], bytes]
    ) -> None:
        self._partitions = partitions
        self._encode = encode

    def hear(self, blocks: Iterable[Block], /) -> Iterator[tuple[Block, Sequence[Heard]]]:
        """See ``Listens``."""
        for block in blocks:
            yield block, [self.heard(part.columns) for part in block]

    def heard(self, columns: TickColumns) -> Heard:
        """What strategies say at the ticks of one partition, of which those before were heard."""
        ticks, offsets = columns.ticks(), columns.offsets.tolist()
        said = self._partitions[columns.partition].process_batch(ticks, offsets)
        spoken = Spoken(said)
        try:
            values = list(map(self._encode, spoken.signals))
        except WireError:
            said = [[self._writable(outcome) for outcome in some] for some in said]
            spoken = Spoken(said)
            values = list(map(self._encode, spoken.signals))
        return Heard(columns.partition, ticks, offsets, said, spoken, values)

    def _writable(self, outcome: Outcome) -> Outcome:
        """``outcome``, or the refusal of a signal that cannot be written."""
        if isinstance(outcome, TradingSignal):
            try:
                self._encode(outcome)
            except WireError as error:
                return refusal(outcome, error)
        return outcome
