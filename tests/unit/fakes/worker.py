"""A runner that checkpoints, dies, and comes back, as a worker program does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection
from algo_panda.runner.partition import PartitionRunner
from algo_panda.runner.state import InstrumentRecord
from tests.unit.fakes.rig import Make, Rig, start


def restore(
    partition: PartitionRunner,
    records: Iterable[InstrumentRecord],
    log: Mapping[int, MarketTick],
    start: int = 0,
) -> None:
    """Go on from ``records``, with the ticks that ``log`` has from offset ``start`` on."""
    partition.restore(records)
    span = partition.needs_ticks()
    if span is not None:
        partition.rebuild(
            (offset, tick)
            for offset, tick in sorted(log.items())
            if max(start, span.first) <= offset < span.end
        )
    partition.rebuilt()


class Worker:
    """Keeps what the runner's changelog would."""

    def __init__(
        self,
        *configs: StrategyConfig,
        processors: Mapping[str, Make],
        quarantine_after: int = 3,
        **options: Any,
    ) -> None:
        self._configs = configs
        self._processors = processors
        self._options = {"quarantine_after": quarantine_after, **options}
        self._kept = dict[int, InstrumentRecord]()
        self._kept_offset = 0
        self._log = dict[int, MarketTick]()
        self.rig = self._start()

    def feed(
        self, *ticks: MarketTick, first_offset: int = 0
    ) -> list[Sequence[TradingSignal | Rejection]]:
        """What is said about each tick; they are kept, as the topic keeps them."""
        self._log.update(enumerate(ticks, start=first_offset))
        return self.rig.feed(*ticks, first_offset=first_offset)

    def checkpoint(self, next_offset: int) -> None:
        for record in self.rig.partition.changed_records():
            self._kept[record.instrument_token] = record
        self._kept_offset = next_offset

    def everything(self) -> dict[int, InstrumentRecord]:
        """The last record of every instrument, had there been a checkpoint now."""
        changed = self.rig.partition.changed_records()
        return {**self._kept, **{one.instrument_token: one for one in changed}}

    def crash(self) -> int:
        """Lose everything since the checkpoint; the offset to read again from."""
        self.rig = self._start()
        restore(self.rig.partition, self._kept.values(), self._log)
        return self._kept_offset

    def live(
        self, life: Sequence[tuple[MarketTick, bool, bool]]
    ) -> Iterator[tuple[int, Sequence[TradingSignal | Rejection]]]:
        """Offsets, redelivered ones again, and what is said there.

        Args:
            life: ticks, and whether a checkpoint, then whether a crash comes behind each; it
                crashes there once.
        """
        crashes = {offset for offset, (_, _, crash) in enumerate(life) if crash}
        offset = 0
        while offset < len(life):
            one, checkpoint, _ = life[offset]
            (said,) = self.feed(one, first_offset=offset)
            yield offset, said
            offset += 1
            if checkpoint:
                self.checkpoint(offset)
            if offset - 1 in crashes:
                crashes.remove(offset - 1)
                offset = self.crash()

    def _start(self) -> Rig:
        return start(*self._configs, processors=self._processors, **self._options)
