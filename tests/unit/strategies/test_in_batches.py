"""The three strategies as they run live: together, batch by batch, and what each says alone."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from algo_panda.bootstrap import build_factory
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.runner.partition import PartitionRunner
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config, tick

TOKENS = (TOKEN, OTHER_TOKEN)
HYBRID = {"period": 5, "min_probability": 0.34}
CONFIGS = [
    config("ml_momentum", number=1, instruments=TOKENS, parameters={"min_probability": 0.35}),
    config("rules_rsi", number=2, instruments=TOKENS, parameters={"period": 5}),
    config("hybrid_ml_rsi_filter", number=3, instruments=TOKENS, parameters=HYBRID),
    config("ml_momentum", number=4, instruments=TOKENS[:1], parameters={"min_probability": 0.34}),
]


def partition(*configs: StrategyConfig) -> PartitionRunner:
    runner = StrategyRunner(configs=configs, factory=build_factory(Settings(_env_file=None)))
    assert not runner.start().disabled
    return runner.partition(topic_id="topic", partition=0)


def walk(count: int, seed: int) -> list[MarketTick]:
    random = Random(seed)
    prices = dict.fromkeys(TOKENS, 10_000)
    ticks: list[MarketTick] = []
    for second in range(count):
        token = random.choice(TOKENS)
        prices[token] += random.randint(-5, 5)
        ticks.append(
            tick(prices[token], token=token, seconds=second, quantity=random.randint(1, 50))
        )
    return ticks


@pytest.mark.parametrize("seed", [1, 2])
def test_together_in_batches_they_say_what_each_says_alone_tick_by_tick(seed):
    ticks = list(zip(walk(700, seed), range(700), strict=True))
    random = Random(seed)
    bounds = sorted({0, 700, *(random.randrange(700) for _ in range(60))})
    together = partition(*CONFIGS)
    said: list[Any] = []
    for begin, end in pairwise(bounds):
        said += [
            one
            for each in together.process_batch(*zip(*ticks[begin:end], strict=True))
            for one in each
        ]
    alone = [partition(one) for one in CONFIGS]
    expected = [one for tick, at in ticks for each in alone for one in each.process(tick, at)]
    assert said == expected
    assert {signal.strategy_id for signal in said} == {str(one.id) for one in CONFIGS}
    records = {one.instrument_token: one for one in together.changed_records()}
    for number, each in enumerate(alone):
        for record in each.changed_records():
            assert record.strategies[0] in records[record.instrument_token].strategies, number
