"""One pass over the ticks of a partition with the versions that ran there, state carried on."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection
from algo_panda.replay.live_versions import Segment
from algo_panda.replay.ticks import RecordedTicks, Refuse, TickColumns
from algo_panda.runner.partition import PartitionRunner
from algo_panda.runner.runner import StrategyRunner
from algo_panda.runner.state import InstrumentRecord

Said = Sequence[TradingSignal | Rejection]
RunnerOf = Callable[[Segment], StrategyRunner]
"""Makes a runner, started, of the versions of a segment."""


class LivePass:
    """A partition as the live runner processed it.

    Where other versions took over, the live runner wrote its state down, and its successor took
    it back: here the same records pass from one runner to the next.
    """

    def __init__(
        self,
        source: RecordedTicks,
        partition: int,
        segments: Sequence[Segment],
        runner_of: RunnerOf,
        refuse: Refuse,
    ) -> None:
        self._source = source
        self._partition = partition
        self._segments = segments
        self._runner_of = runner_of
        self._refuse = refuse
        self._state: dict[int, InstrumentRecord] = {}
        self._running: PartitionRunner | None = None
        self._segment = -1

    def run(self, until: int | None = None) -> Iterator[tuple[TickColumns, Sequence[Said]]]:
        """What was said at the ticks, piece by piece; call once.

        Args:
            until: the first offset that is not processed; None: all are.
        """
        for columns in self._source.read(self._partition, self._refuse):
            piece = columns
            if until is not None:
                piece = piece.part(0, int(np.searchsorted(piece.offsets, until)))
            while len(piece):
                self._advance(int(piece.offsets[0]))
                taken = piece.part(0, self._same_versions(piece))
                yield taken, self._process(taken)
                piece = piece.part(len(taken))

    def state_of(self, token: int) -> InstrumentRecord | None:
        """The state of an instrument after the ticks processed so far."""
        self._write_down()
        return self._state.get(token)

    def _process(self, columns: TickColumns) -> Sequence[Said]:
        if self._running is None:
            return [()] * len(columns)
        offsets: list[int] = columns.offsets.tolist()
        return self._running.process_batch(columns.ticks(), offsets)

    def _advance(self, offset: int) -> None:
        """Have the versions run that see the tick at ``offset``."""
        following = self._segment
        while (
            following + 1 < len(self._segments)
            and self._segments[following + 1].first_offset <= offset
        ):
            following += 1
        if following == self._segment:
            return
        self._write_down()
        self._segment = following
        runner = self._runner_of(self._segments[following])
        self._running = runner.partition(topic_id=self._source.topic_id, partition=self._partition)
        self._running.restore(iter(self._state.values()))
        self._rebuild(self._running)

    def _same_versions(self, columns: TickColumns) -> int:
        """How many ticks there are before other versions take over."""
        if self._segment + 1 == len(self._segments):
            return len(columns)
        following = self._segments[self._segment + 1].first_offset
        return int(np.searchsorted(columns.offsets, following))

    def _rebuild(self, runner: PartitionRunner) -> None:
        """Give processors without a snapshot the ticks of before once more."""
        span = runner.needs_ticks()
        if span is not None:
            for columns in self._source.read(self._partition, lambda _: None):
                first, end = np.searchsorted(columns.offsets, (span.first, span.end)).tolist()
                part = columns.part(first, end)
                rows = zip(part.offsets.tolist(), part.ticks(), strict=True)
                runner.rebuild(row for row in rows if row[1].instrument_token in span.tokens)
                if end < len(columns):
                    break
        runner.rebuilt()

    def _write_down(self) -> None:
        if self._running is not None:
            records = self._running.changed_records()
            self._state.update({record.instrument_token: record for record in records})
