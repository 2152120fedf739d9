"""What is learned from: labels that look ahead, and a split that does not."""

from itertools import accumulate, pairwise
from math import sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.ml.direction import CLASSES
from algo_panda.ml.features import WINDOW, features_at
from algo_panda.ml.samples import Samples, collect_samples, split_by_time


def walk(token: int, count: int, *, step_us: int = 1000) -> list[MarketTick]:
    """An aimless path of small steps."""
    random = Random(token)
    prices = list(accumulate((random.randint(-2, 2) for _ in range(count)), initial=100_000))
    return [
        MarketTick(token, 10**15 + i * step_us, prices[i], random.randint(1, 9))
        for i in range(count)
    ]


def naive(ticks: list[MarketTick], horizon: int, move: float):
    for i in range(WINDOW, len(ticks) - horizon):
        window = ticks[: i + 1]
        changes = [abs(b.price_raw - a.price_raw) for a, b in pairwise(window)]
        least = move * sqrt(horizon) * (sum(changes[-20:]) / 20)
        change = ticks[i + horizon].price_raw - ticks[i].price_raw
        direction = "up" if change > least else "down" if change < -least else "flat"
        yield features_at(window), direction, ticks[i].event_time_us, ticks[i + horizon][1]


def as_rows(samples: Samples):
    return [
        (tuple(features), CLASSES[label], time, known)
        for features, label, time, known in zip(
            samples.features.tolist(),
            samples.labels.tolist(),
            samples.times.tolist(),
            samples.known.tolist(),
            strict=True,
        )
    ]


@pytest.mark.parametrize(("horizon", "move"), [(1, 0.5), (7, 0.3), (20, 0.0)])
def test_every_sample_has_the_features_of_its_tick_and_the_move_after_it(horizon, move):
    ticks = walk(5, 200)
    rows = as_rows(collect_samples(ticks, horizon=horizon, move=move))
    expected = [
        (tuple(np.float32(value) for value in features or ()), direction, time, known)
        for features, direction, time, known in naive(ticks, horizon, move)
    ]
    assert rows == expected
    assert {row[1] for row in rows} == {"up", "down", "flat"}


def test_interleaved_instruments_do_not_mix():
    one, two = walk(1, 150), walk(2, 150, step_us=1300)
    mixed = sorted([*one, *two], key=lambda tick: tick.event_time_us)
    together = as_rows(collect_samples(mixed, horizon=5, move=0.5))
    apart = [
        *as_rows(collect_samples(one, horizon=5, move=0.5)),
        *as_rows(collect_samples(two, horizon=5, move=0.5)),
    ]
    assert sorted(together) == sorted(apart)


def test_too_few_ticks_give_no_samples():
    assert len(collect_samples(walk(1, WINDOW + 5), horizon=5, move=1)) == 0


@given(
    lags=st.lists(st.integers(min_value=0, max_value=50), min_size=1, max_size=200),
    held_out=st.floats(min_value=0.05, max_value=0.5),
)
def test_nothing_learned_from_was_still_unknown_when_the_held_out_part_began(lags, held_out):
    times = np.cumsum(lags)
    count = len(lags)
    samples = Samples(
        features=np.zeros((count, 7), np.float32),
        labels=np.zeros(count, np.int64),
        times=times,
        known=times + np.array(lags[::-1]),
    )
    learned, judged = split_by_time(samples, held_out)
    assert len(judged) >= held_out * count
    assert set(learned.known) | set(learned.times) <= set(range(int(judged.times.min())))


def test_the_gap_between_the_parts_is_as_long_as_the_horizon():
    samples = collect_samples(walk(1, 1000), horizon=20, move=0.5)
    learned, judged = split_by_time(samples, 0.2)
    assert len(samples) - len(learned) - len(judged) == 20
    assert learned.known.max() < judged.times.min()
