"""Everything that decides what later ticks of an instrument give, as one value.

Tuples, because a checkpoint makes tens of thousands: frozen dataclasses cost four times as much.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

from algo_panda.domain.market import MarketTick


class Mark(NamedTuple):
    """A tick that a strategy took, from which on ticks can be replayed as they were taken."""

    offset: int
    bars: bytes | None
    """The bar builder's snapshot before it; None where there was nothing in it."""


class StrategyRecord(NamedTuple):
    """What one strategy knows of one instrument."""

    strategy_id: str
    version: int
    """Version of the configuration row; a new one lifts a quarantine."""
    digest: str
    """``StrategyConfig.digest`` of the configuration that gave this state."""
    ticks_seen: int
    """Ticks of the instrument since the strategy is on it."""
    failures: int
    """Failures in a row, up to now."""
    quarantine_reason: str | None
    bars: bytes | None
    """The bar builder's snapshot, where the processor takes bars."""
    processor: bytes | None
    """The processor's snapshot, where it gives one."""
    marks: tuple[Mark, ...] = ()
    """From where on a processor without a snapshot can be rebuilt, oldest first."""
    cold_since: int | None = None
    """``ticks_seen`` when it was rebuilt from fewer ticks than it needs; None: it was not."""


_NewStrategyRecord = Callable[[type[StrategyRecord], tuple[object, ...]], StrategyRecord]
new_strategy_record = cast("_NewStrategyRecord", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``StrategyRecord(...)`` of all its fields in their order, in a third of its time."""


class InstrumentRecord(NamedTuple):
    """What all strategies know of one instrument after the tick at ``last_offset``."""

    instrument_token: int
    last_offset: int
    history: tuple[MarketTick, ...]
    strategies: tuple[StrategyRecord, ...]
    last_tick: MarketTick | None = None
    """The newest tick that came, dropped or not; None where that is not known."""
    newest_event_time_us: int = 0
    """The newest event time of all that came, microseconds since the epoch; 0: not known."""


class StateDoesNotFitError(ValueError):
    """A recorded state, or a part of it, is not of this strategy as it is now.

    ``rest`` is the state without the part that does not fit; None: nothing of it does.
    """

    def __init__(self, reason: str, rest: StrategyRecord | None = None) -> None:
        super().__init__(reason)
        self.rest = rest
