"""The features against a naive recomputation in fractions."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.ml.features import FEATURE_NAMES, WINDOW, MomentumFeatures, features_at

raw_prices = st.one_of(
    st.integers(min_value=18_150_000_000, max_value=18_150_000_003),
    st.integers(min_value=1, max_value=10**18 - 1),
)
# Streams about as long as the window: a part drawn one by one, repeated to reach it.
streams = st.builds(
    lambda part, head: [
        MarketTick(1, index, price, quantity)
        for index, (price, quantity) in enumerate(head + part * (1 + 130 // len(part)))
    ],
    st.lists(
        st.tuples(raw_prices, st.integers(min_value=0, max_value=10**6)), min_size=1, max_size=50
    ),
    st.lists(st.tuples(raw_prices, st.just(0)), max_size=20),
)


def naive(ticks: list[MarketTick]) -> list[float] | None:
    if len(ticks) <= WINDOW:
        return None
    prices = [Fraction(tick.price_raw) for tick in ticks[-WINDOW - 1 :]]
    quantities = [Fraction(tick.last_traded_quantity) for tick in ticks[-WINDOW:]]
    changes = [after - before for before, after in pairwise(prices)]
    unit = sum(map(abs, changes[-20:])) / 20
    long_unit = sum(map(abs, changes)) / 100
    gains = sum(change for change in changes[-14:] if change > 0)
    losses = -sum(change for change in changes[-14:] if change < 0)
    volume = sum(quantities) / 100
    now = prices[-1]
    by = unit or 1
    exact = [
        (now - prices[-2]) / by,
        (now - prices[-6]) / by,
        (now - prices[-21]) / by,
        (now - sum(prices[-20:]) / 20) / by if unit else Fraction(0),
        100 * gains / (gains + losses) if gains + losses else Fraction(50),
        unit / long_unit if long_unit else Fraction(1),
        sum(quantities[-20:]) / 20 / volume if volume else Fraction(1),
    ]
    return [float(value) for value in exact]


@given(stream=streams)
def test_they_equal_a_naive_recomputation_at_every_tick(stream):
    features = MomentumFeatures()
    for seen, tick in enumerate(stream, start=1):
        features.update(tick)
        row = features.row()
        assert (None if row is None else list(row)) == naive(stream[:seen])


@given(stream=streams, cut=st.integers(min_value=0, max_value=200))
def test_restored_ones_go_on_as_if_nothing_had_happened(stream, cut):
    whole = MomentumFeatures()
    for tick in stream[:cut]:
        whole.update(tick)
    restored = MomentumFeatures.restored(whole.snapshot())
    for tick in stream[cut:]:
        assert restored.row() == whole.row()
        assert restored.mean_move == whole.mean_move
        assert restored.snapshot() == whole.snapshot()
        whole.update(tick)
        restored.update(tick)


@given(stream=streams)
def test_nothing_older_than_the_window_has_a_say(stream):
    features = MomentumFeatures()
    for tick in stream:
        features.update(tick)
    assert features.row() == features_at(stream[-WINDOW - 1 :])


def test_they_do_not_depend_on_the_currency():
    cents = [MarketTick(1, i, 10_000 + (i * i) % 37, 1 + i % 5) for i in range(150)]
    euros = [tick._replace(price_raw=tick.price_raw * 1_000_000) for tick in cents]
    assert features_at(cents) == features_at(euros)


def test_a_market_that_stands_still_has_neutral_features():
    still = [MarketTick(1, i, 500) for i in range(WINDOW + 1)]
    assert features_at(still) == (0, 0, 0, 0, 50, 1, 1)
    assert len(FEATURE_NAMES) == 7


def test_there_is_no_row_before_the_window_is_full():
    ticks = [MarketTick(1, i, 500 + i) for i in range(WINDOW + 1)]
    assert features_at(ticks[:-1]) is None
    assert features_at(ticks) is not None


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x07" + MomentumFeatures().snapshot()[1:],
        MomentumFeatures().snapshot()[:-1],
        MomentumFeatures().snapshot()[:3],
        b"\x01\x02\x00" + MomentumFeatures().snapshot()[3:],
    ],
)
def test_a_state_that_does_not_fit_is_refused(bad):
    with pytest.raises(ValueError, match="feature state is"):
        MomentumFeatures.restored(bad)
