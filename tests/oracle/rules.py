"""The settings that the rules of the money stages depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

CHECKPOINT = b"\x00checkpoint"
"""Key of the positions in a changelog."""

INPUTS = {
    "risk": ("signals", "executions"),
    "router": ("orders",),
    "paper": ("ticks", "paper-orders"),
}
"""What each program reads, by its name in that of its changelog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRules:
    """Settings of the paper venue's fills, as ``docs/backtesting.md`` documents them."""

    spread: str = "0"
    """``2 ticks`` or ``1.5 bps``."""
    slippage: str = "0"
    slippage_probability: float = 1.0
    tick_size: Decimal | None = None
    latency_us: int = 0
    jitter_us: int = 0
    volume_limit: Decimal | None = None
    seed: int = 0
    charges: Mapping[str, Mapping[str, Any]] | None = None
    """The charges of a fee file; None: nothing is charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Settings of the workers, as the documentation names their defaults."""

    partitions: Mapping[str, int]
    """How many partitions each topic has."""
    prefix: str = ""
    """What precedes the names of topics on the broker."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Broker to account; a broker that is not named is its own account."""
    available_brokers: frozenset[str] = frozenset({"paper"})
    max_quantity: int = 1_000_000
    max_notional: Decimal = Decimal(1_000_000_000)
    max_position: int = 1_000_000
    time_to_live_ms: int = 60_000
    """How old a signal or an order may be."""
    oldest_cut_ms: int | None = 2_100
    """How old what a decision knows may be, with some time for clocks of which one is set; None:
    any, where the broker was stopped."""
    longest_way_ms: int = 30_000
    """How long an event of ``control`` may be under way to the broker."""
    past_brokers: frozenset[str] = frozenset()
    """Brokers that accept orders of past ticks."""
    id_memory_ms: int = 24 * 3_600 * 1_000
    """How long ids of processed records are remembered at least."""
    paper_expire_us: int = 6 * 3_600 * 1_000_000
    venue_limit_ms: int = 10 * 60 * 1_000
    """How long a paper order may be under way to the venue, if its time to live is no longer."""
    may_repeat: bool = False
    """Whether records were sent again by others, as a replay of dead letters does."""
    fills: FillRules = FillRules()
    """How paper fills, if it does not do so by default."""

    def account(self, broker: str) -> str:
        return self.accounts.get(broker, broker)
