"""What a run of the benchmarks is made of."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import platformdirs

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CACHE = platformdirs.user_cache_path("algo-panda") / "bench"
RECORDED = ROOT.parent / "shared" / "data" / "spy-20131007-trades.csv.gz"
"""Recorded trades beside the checkout, as the tests have them."""


class Part(StrEnum):
    THROUGHPUT = "throughput"
    SCALING = "scaling"
    LATENCY = "latency"
    MARKET = "market"
    RESTART = "restart"
    BACKPRESSURE = "backpressure"
    REPLAY = "replay"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    parts: tuple[Part, ...]
    runs: int = 3
    peers: tuple[str, ...] = ()
    """Words: only programs whose name has one of them; empty: all."""
    data: Path | None = None
    """Trades of one instrument; None: made up."""
    cache: Path = CACHE
    ticks: int = 1_000_000
    instruments: int = 64
    scaling_ticks: int = 2_000_000
    many_instruments: int = 9_000
    max_workers: int = 4
    latency_rate: int = 2_000
    latency_seconds: float = 20.0
    market_rate: int = 18_000
    market_seconds: float = 300.0
    market_strategies: int = 500
    restart_rate: int = 9_000
    restart_seconds: float = 600.0
    restart_states: int = 20_000
    replay_ticks: int = 500_000
    sweep_ticks: int = 300_000
    backpressure_rate: int = 10_000
    backpressure_seconds: float = 600.0

    def wants(self, name: str) -> bool:
        return not self.peers or any(word in name for word in self.peers)

    def quick(self) -> "Options":
        """Seconds instead of minutes: to see that it works, not to quote."""
        return replace(
            self,
            runs=1,
            ticks=100_000,
            scaling_ticks=200_000,
            many_instruments=2_000,
            max_workers=2,
            latency_seconds=4.0,
            market_seconds=10.0,
            market_rate=2_000,
            market_strategies=50,
            restart_rate=2_000,
            restart_seconds=8.0,
            restart_states=2_000,
            backpressure_seconds=10.0,
            replay_ticks=50_000,
            sweep_ticks=20_000,
        )
