"""The few prices that a report shows, against all there were."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.domain.timestamps import to_micros
from algo_panda.replay.prices import PricePoint, Prices
from algo_panda.replay.ticks import TickColumns
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, tick

DAY = 86_400
CELLS = 8

moves = st.lists(
    st.tuples(
        st.sampled_from([TOKEN, OTHER_TOKEN, 3003]),
        st.integers(90, 110),
        st.integers(0, 3 * DAY * 1000).map(lambda ms: ms / 1000),
    ),
    min_size=1,
    max_size=60,
)


def kept(
    ticks: Sequence[MarketTick], token: int, *, pieces: int = 1, cells: int = CELLS
) -> Sequence[PricePoint]:
    prices = Prices([OTHER_TOKEN, TOKEN], most_cells=cells)
    size = -(-len(ticks) // pieces)
    for first in range(0, len(ticks), size):
        piece = ticks[first : first + size]
        prices.ticks(TickColumns.of(0, range(len(piece)), piece))
    return prices.points(token)


def slowly(ticks: Sequence[MarketTick], token: int) -> Sequence[PricePoint]:
    """The same, tick by tick, once the grid is known."""
    ours = [each for each in ticks if each.instrument_token in (TOKEN, OTHER_TOKEN)]
    if not ours:
        return []
    times = [each.event_time_us for each in ours]
    step = 1_000
    while max(times) // step - min(times) // step >= CELLS:
        step *= 2
    found: set[PricePoint] = set()
    for cell in {time // step for time in times}:
        points = [
            PricePoint(each.event_time_us, each.price_raw)
            for each in ours
            if each.instrument_token == token and each.event_time_us // step == cell
        ]
        if points:
            found.add(min(points, key=lambda point: (point.price_raw, point.time_us)))
            found.add(min(points, key=lambda point: (-point.price_raw, point.time_us)))
    return sorted(found)


@given(moves, st.integers(1, 7))
def test_the_first_lowest_and_highest_tick_of_each_cell_are_kept(
    moved: list[tuple[int, int, float]], pieces: int
) -> None:
    ticks = [tick(price, token=token, seconds=at) for token, price, at in moved]
    for token in (TOKEN, OTHER_TOKEN):
        assert kept(ticks, token, pieces=pieces) == slowly(ticks, token)


def test_a_long_recording_gives_no_more_points_than_a_short_one() -> None:
    ticks = [tick(100 + n % 7, seconds=60 * n) for n in range(20_000)]
    points = kept(ticks, TOKEN, pieces=50, cells=100)
    assert 50 <= len(points) <= 200
    assert {point.price_raw for point in points} == {100 * 10**8, 106 * 10**8}


def test_many_instruments_share_the_cells() -> None:
    prices = Prices(range(100), most_cells=1_000, cells_of_all=10_000)
    ticks = [tick(100 + n % 2, token=7, seconds=n) for n in range(1_000)]
    prices.ticks(TickColumns.of(0, range(len(ticks)), ticks))
    assert 100 <= len(prices.points(7)) <= 200


def test_what_there_were_no_ticks_of_has_no_points() -> None:
    assert kept([tick(100)], OTHER_TOKEN) == []
    assert kept([tick(100)], 3003) == []
    (point,) = kept([tick("100.25", seconds=1)], TOKEN)
    assert point == (to_micros(tick(seconds=1).event_time), 10_025_000_000)
