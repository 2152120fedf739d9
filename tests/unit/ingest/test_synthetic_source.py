from datetime import UTC, datetime
from itertools import pairwise

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.source import LocatedTick
from algo_panda.ingest.synthetic import PRICE_STEP, SyntheticSource

START = datetime(2025, 1, 2, 3, 45, tzinfo=UTC)


def source(
    *instruments: int, ticks: int = 10_000, seed: int = 7, ticks_per_second: float = 100.0
) -> SyntheticSource:
    return SyntheticSource(
        instruments=instruments or (1001, 1002),
        ticks=ticks,
        seed=seed,
        start=START,
        ticks_per_second=ticks_per_second,
    )


def ticks_of(made: SyntheticSource) -> list[MarketTick]:
    return [row.tick for row in made if isinstance(row, LocatedTick)]


def test_the_same_seed_gives_the_same_ticks_on_every_machine() -> None:
    first, *_, last = ticks_of(source())
    assert first == (1002, 1735789500009743, 164670000000, 50, 50, 0)
    assert last == (1001, 1735789600136964, 72455000000, 96, 424728, 0)


def test_another_seed_gives_other_ticks() -> None:
    assert ticks_of(source(seed=7)) != ticks_of(source(seed=8))


def test_there_are_as_many_ticks_as_asked_for_on_every_instrument() -> None:
    ticks = ticks_of(source(1001, 1002, 1003, ticks=9_000))
    assert len(ticks) == 9_000
    for token in (1001, 1002, 1003):
        assert 2_700 < sum(tick.instrument_token == token for tick in ticks) < 3_300


def test_event_times_always_advance_at_the_rate_asked_for() -> None:
    for rate in (0.5, 100.0, 100_000.0):
        ticks = ticks_of(source(ticks_per_second=rate))
        assert all(a.event_time_us < b.event_time_us for a, b in pairwise(ticks))
        taken = (ticks[-1].event_time - START).total_seconds()
        assert taken == pytest.approx(len(ticks) / rate, rel=0.1)


def test_volume_is_the_sum_of_the_quantities_of_its_instrument() -> None:
    totals = {1001: 0, 1002: 0}
    for tick in ticks_of(source()):
        assert tick.last_traded_quantity > 0
        totals[tick.instrument_token] += tick.last_traded_quantity
        assert tick.volume_traded == totals[tick.instrument_token]


def test_prices_are_positive_multiples_of_the_price_step() -> None:
    for tick in ticks_of(source(ticks=50_000)):
        assert tick.price_raw > 0
        assert tick.price_raw % PRICE_STEP == 0


def test_the_path_of_an_instrument_does_not_depend_on_its_neighbours() -> None:
    def path(made: SyntheticSource) -> list[int]:
        return [tick.price_raw for tick in ticks_of(made) if tick.instrument_token == 1001]

    alone, among_others = path(source(1001)), path(source(1001, 1002, 1003))
    assert alone[: len(among_others)] == among_others


@pytest.mark.parametrize("seed", range(5))
def test_prices_move_enough_for_strategies_and_stay_in_reach(seed: int) -> None:
    prices = [tick.price_raw for tick in ticks_of(source(1001, seed=seed, ticks=20_000))]
    relative_strengths = [cutler_rsi(prices[i - 14 : i + 1]) for i in range(14, len(prices))]
    assert sum(value < 30 for value in relative_strengths) > 500
    assert sum(value > 70 for value in relative_strengths) > 500
    assert max(prices) < 2 * min(prices)


def cutler_rsi(prices: list[int]) -> float:
    changes = [b - a for a, b in pairwise(prices)]
    gain = sum(change for change in changes if change > 0)
    loss = -sum(change for change in changes if change < 0)
    return 50.0 if gain == loss == 0 else 100 * gain / (gain + loss)


def test_a_tick_is_followed_by_one_in_its_direction_more_often_in_a_burst() -> None:
    """There is momentum to learn: a move over 20 ticks says something about the next 20."""
    prices = [tick.price_raw for tick in ticks_of(source(1001, ticks=50_000))]
    blocks = [b - a for a, b in pairwise(prices[::20])]
    strong = sorted(abs(block) for block in blocks)[-len(blocks) // 5]
    followed = [
        (before > 0) == (after > 0) for before, after in pairwise(blocks) if abs(before) >= strong
    ]
    assert sum(followed) / len(followed) > 0.55


@pytest.mark.parametrize(
    "arguments",
    [{"instruments": ()}, {"instruments": (0,)}, {"ticks": 0}, {"ticks_per_second": 0.0}],
)
def test_arguments_out_of_range_are_refused(arguments: dict) -> None:
    good = {"instruments": (1,), "ticks": 1, "seed": 1, "start": START, "ticks_per_second": 1.0}
    with pytest.raises(ConfigurationError, match="synthetic ticks"):
        SyntheticSource(**good | arguments)
