"""One instrument on one partition of ``ticks``: its ticks, and the strategies on it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from tests.oracle.runner.judging import Refused
from tests.oracle.runner.rules import RunnerRules
from tests.oracle.runner.strategy import Made, Strategy
from tests.oracle.runner.versions import digest_of


class Emitted(NamedTuple):
    """What one strategy emits on a tick."""

    config: StrategyConfig
    model_digest: str | None
    answer: SignalResult | Refused


Create = Callable[[StrategyConfig, int], Made | None]
"""Makes processor and validator on an instrument; None if the strategy cannot run there."""


class Instrument:
    """What is known of an instrument after its last tick."""

    def __init__(self, token: int, partition: int, rules: RunnerRules, create: Create) -> None:
        self._token = token
        self._partition = partition
        self._rules = rules
        self._create = create
        self._rows: Sequence[StrategyConfig] | None = None
        self.strategies: dict[str, Strategy] = {}
        """Those that took its last tick, by id."""
        self.is_known = False
        """Whether any strategy ever took a tick of it: then there is a state."""
        self.last_offset = -1
        self.history: list[MarketTick] = []
        self.before: MarketTick | None = None
        """The tick right before, dropped or not."""
        self.newest_us = 0

    def take(
        self, tick: MarketTick, offset: int, rows: Sequence[StrategyConfig]
    ) -> Iterator[Emitted]:
        """Give the next tick to the strategies that are active at its offset.

        Args:
            tick: of the instrument.
            offset: of the tick.
            rows: active versions that want the instrument; the same object until they change.
        """
        had_strategies = bool(self.strategies)
        if rows is not self._rows:
            self._rows = rows
            self._change(rows)
        if not self.strategies:
            if had_strategies:  # whoever comes back later has missed this tick
                self.last_offset = offset
                self.history, self.before, self.newest_us = [], None, 0
            return
        self.is_known = True
        self.last_offset = offset
        is_dropped = self._is_dropped(tick)
        self.before, self.newest_us = tick, max(self.newest_us, tick.event_time_us)
        size = max(one.processor.history_size for one in self.strategies.values())
        self.history = self.history[-size:] if size else []
        if is_dropped:
            return
        for one in self.strategies.values():
            answer = one.take(tick, offset, self._partition, self._rules.quarantine_after)
            if answer is not None:
                yield Emitted(one.config, one.processor.model_digest, answer)
        if size:
            self.history = [*self.history, tick][-size:]

    def _change(self, rows: Sequence[StrategyConfig]) -> None:
        """Let other versions take over; a strategy that is not among them misses this tick."""
        before, self.strategies = self.strategies, {}
        for row in rows:
            made, known = self._create(row, self._token), before.get(str(row.id))
            if made is None:
                continue
            if known is None or not _goes_on(known, row):
                known = Strategy(row, self._token, made)
            else:
                known.goes_on_as(row, made)
            self.strategies[str(row.id)] = known

    def _is_dropped(self, tick: MarketTick) -> bool:
        is_duplicate = self.before is not None and tick[:5] == self.before[:5]
        is_old = tick.event_time_us < self.newest_us
        return (is_duplicate and self._rules.drops_duplicates) or (
            is_old and self._rules.drops_out_of_order
        )


def _goes_on(known: Strategy, row: StrategyConfig) -> bool:
    """Return whether a version goes on with the state of the one before it.

    It does if nothing differs that decides its signals; a new version lifts a quarantine.
    """
    is_lifted = known.quarantine is not None and known.quarantine.version != row.version
    return digest_of(known.config) == digest_of(row) and not is_lifted
