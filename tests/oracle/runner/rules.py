"""The settings that the records of the runner depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from algo_panda.domain.config import StrategyConfig

PROCESSORS: Mapping[str, str] = {
    "rules_rsi": "algo_panda.strategies.rules_rsi.create_processor",
    "ml_momentum": "algo_panda.strategies.ml_momentum.create_processor",
    "hybrid_ml_rsi_filter": "algo_panda.strategies.hybrid_ml_rsi.create_processor",
}
"""The strategies that come with the package: code under test, as a user's own is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRules:
    """Settings of the runners, as the documentation names their defaults."""

    partitions: Mapping[str, int]
    """How many partitions each topic has."""
    topic_id: str
    """Kafka's id of ``ticks``."""
    prefix: str = ""
    """What precedes the names of topics on the broker."""
    app_version: str
    """The version that dead letters name."""
    rows: Sequence[StrategyConfig] = ()
    """Versions of the strategies in the database, as far as they are known."""
    processors: Mapping[str, str] | None = None
    """Dotted paths of the user's strategy types."""
    validators: Mapping[str, str] | None = None
    """Dotted paths of the user's validators."""
    folders: Sequence[Path] = ()
    """Where the user's modules are."""
    quarantine_after: int = 10
    """Failures in a row after which a strategy takes no ticks of an instrument any more."""
    drops_duplicates: bool = False
    drops_out_of_order: bool = False
    accepts_misplaced: bool = False
    """Whether ticks in a partition that is not their key's are processed."""
    may_repeat: bool = True
    """Whether records may be sent again, with the same bytes."""
