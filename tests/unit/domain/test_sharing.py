"""What is in a pool takes every tick once, for all who use it."""

import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.domain.sharing import IndicatorPool, SharedIndicator
from tests.unit.fakes.values import tick


class Newest(SharedIndicator):
    """The newest prices, as many as ``length``; cannot take 13."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.prices: list[int] = []

    def take(self, tick: MarketTick) -> None:
        if tick.last_price == 13:
            raise ValueError("13")
        self.prices = [*self.prices, int(tick.last_price)][-self.length :]

    def held(self) -> tuple[int, list[int]]:
        return self.length, self.prices


class Longer(Newest):
    """Another kind."""


def test_alone_it_takes_the_ticks_that_it_is_updated_with():
    alone = Newest(2)
    for price in (1, 2, 3):
        alone.update(tick(price))
    assert alone.prices == [2, 3]


def test_equals_become_one_and_the_first_stays():
    first, second = Newest(2), Newest(2)
    pool = IndicatorPool()
    assert pool.shared(first) is first
    assert pool.shared(second) is first
    assert list(pool) == [first]


@pytest.mark.parametrize("other", [Newest(3), Longer(2)], ids=["another length", "another kind"])
def test_what_is_not_alike_stays_apart(other):
    first = Newest(2)
    pool = IndicatorPool()
    pool.shared(first)
    assert pool.shared(other) is other
    assert list(pool) == [first, other]


def test_one_that_has_seen_other_ticks_stays_apart():
    first, second = Newest(2), Newest(2)
    second.update(tick(5))
    pool = IndicatorPool()
    pool.shared(first)
    assert pool.shared(second) is second


def test_in_a_pool_it_takes_a_tick_once_however_many_update_it():
    pool = IndicatorPool()
    first, second = pool.shared(Newest(9)), pool.shared(Newest(9))
    for price in (1, 2):
        for indicator in pool:
            indicator.advance(tick(price))
        first.update(tick(price))
        second.update(tick(price))
    assert second.prices == [1, 2]


def test_what_it_raises_everybody_gets_and_for_this_tick_alone():
    pool = IndicatorPool()
    shared = pool.shared(Newest(2))
    shared.advance(tick(13))
    for _ in range(2):
        with pytest.raises(ValueError, match="13"):
            shared.update(tick(13))
    shared.advance(tick(14))
    shared.update(tick(14))
    assert shared.prices == [14]
