"""Strategies as a whole market might have them: of all types, each on some of the instruments."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from algo_panda.domain.config import StrategyConfig

_SEED = 20131007
_SMALLEST, _LARGEST = 20, 200
_TYPES = ("rules_rsi", "ml_momentum", "hybrid_ml_rsi_filter")


def strategies(tokens: Sequence[int], count: int) -> list[StrategyConfig]:
    """So many, the same every time."""
    endless = _endless(tokens)
    return [next(endless) for _ in range(count)]


def strategies_with_states(tokens: Sequence[int], states: int) -> list[StrategyConfig]:
    """As many as have this number of processors together."""
    made: list[StrategyConfig] = []
    left = states
    for config in _endless(tokens):
        kept = config.instruments[:left]
        made.append(replace(config, instruments=kept))
        left -= len(kept)
        if not left:
            return made
    raise AssertionError("the strategies do not end")


def processors(configs: Sequence[StrategyConfig]) -> int:
    return sum(len(config.instruments) for config in configs)


def _endless(tokens: Sequence[int]) -> Iterator[StrategyConfig]:
    random = Random(_SEED)
    while True:
        kind = random.choice(_TYPES)
        size = min(len(tokens), random.randint(_SMALLEST, _LARGEST))
        yield StrategyConfig(
            id=UUID(int=random.getrandbits(128), version=4),
            strategy_type=kind,
            parameters=_parameters(kind, random),
            instruments=tuple(random.sample(tokens, size)),
            active_brokers=("paper",),
        )


def _parameters(kind: str, random: Random) -> dict[str, Any]:
    rsi = {
        "period": random.randint(7, 28),
        "lower": random.randint(20, 35),
        "upper": random.randint(65, 80),
    }
    model = {"min_probability": random.choice((0.5, 0.55, 0.6, 0.65))}
    by_type: dict[str, dict[str, Any]] = {
        "rules_rsi": rsi,
        "ml_momentum": model,
        "hybrid_ml_rsi_filter": {**rsi, **model},
    }
    return by_type[kind]
