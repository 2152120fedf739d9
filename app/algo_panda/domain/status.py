"""What a running worker says about a strategy, for people to read."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class StrategyState(StrEnum):
    """How a strategy fares in the workers."""

    REGISTERED = "registered"
    DISABLED = "disabled"
    QUARANTINED = "quarantined"
    COLD = "cold"
    """Rebuilt from fewer ticks than it needs: what it says is not what it would have said."""
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyStatus:
    """One line of ``panda strategies list``: a strategy, or a strategy on one instrument."""

    strategy_id: UUID
    strategy_version: int
    state: StrategyState
    reason: str | None = None
    instrument_token: int | None = None
    """None: the whole strategy."""
