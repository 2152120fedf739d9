"""Everything that decides what later ticks of an instrument give, as one value."""

from dataclasses import dataclass

from app.domain.market import MarketTick


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRecord:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentRecord:
    """What all strategies know of one instrument after the tick at ``last_offset``."""

    instrument_token: int
    last_offset: int
    history: tuple[MarketTick, ...]
    strategies: tuple[StrategyRecord, ...]
