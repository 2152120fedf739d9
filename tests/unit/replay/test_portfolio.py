"""What a portfolio says of equity, against books that are kept tick by tick."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import from_raw
from algo_panda.domain.reports import report_of
from algo_panda.domain.timestamps import from_micros, to_micros
from algo_panda.domain.trading import (
    ExecutionReport,
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    Stage,
    Violation,
)
from algo_panda.replay.equity import MINUTE_US, EquityCurve, EquitySample
from algo_panda.replay.portfolio import Portfolio
from algo_panda.replay.results import Results, results_of
from algo_panda.replay.ticks import TickColumns
from tests.unit.fakes.values import START, TOKEN, changed, tick
from tests.unit.replay.fills import filled, order

CAPITAL = Decimal(10_000)


def told(
    portfolio: Portfolio, ticks: Sequence[MarketTick], *events: Order | ExecutionReport
) -> None:
    """A block of ticks, and what came of them."""
    for partition in sorted({each.instrument_token for each in ticks}):
        mine = [each for each in ticks if each.instrument_token == partition]
        portfolio.ticks(TickColumns.of(partition, range(len(mine)), mine))
    portfolio.signals([])
    portfolio.events(events)


def held(*blocks: tuple[Sequence[MarketTick], Sequence[ExecutionReport]]) -> Results:
    portfolio = Portfolio(capital=CAPITAL)
    for ticks, reports in blocks:
        told(portfolio, ticks, *reports)
    return results_of(portfolio)


def curve(results: Results) -> list[tuple[int, Decimal]]:
    """Minutes since START's, and profit."""
    start = to_micros(START)
    return [((s.time_us - start) // MINUTE_US, s.equity - CAPITAL) for s in results.equity]


def test_equity_is_marked_minute_by_minute_with_what_was_known_then() -> None:
    ticks = [tick(100 + n, seconds=30 * n) for n in range(8)]
    buy = order(1, 10, seconds=60)
    results = held((ticks, [filled(buy, "102", fees="5", seconds=60)]))
    assert curve(results) == [(-1, 0), (0, 0), (1, -5), (2, 15), (3, 35), (4, 45)]
    last = results.equity[-1]
    assert (last.net_exposure, last.gross_exposure) == (1070, 1070)
    assert results.whole.standing.net_profit == 45
    assert results.whole.standing.positions == {TOKEN: 10}


def test_a_fill_counts_in_the_block_of_its_event_time_not_in_that_of_its_order() -> None:
    first = [tick(100, seconds=10), tick(101, seconds=50)]
    second = [tick(102, seconds=70), tick(103, seconds=100)]
    late = filled(order(1, 1, seconds=50), "102", seconds=70)
    assert curve(held((first, [late]), (second, []))) == curve(held((first + second, [late])))


def test_a_minute_without_ticks_has_no_sample() -> None:
    results = held(([tick(100), tick(101, seconds=600)], []))
    assert [minute for minute, _ in curve(results)] == [-1, 0, 10]


def test_where_there_was_no_tick_there_is_nothing() -> None:
    results = held()
    assert (results.equity, results.days, results.trades) == ([], [], [])
    assert results.whole.statistics.total_return.reason == "0 daily returns; needs 1"


def test_days_are_those_of_the_zone_and_those_without_ticks_are_left_out() -> None:
    hours = (0, 10, 20, 70)  # from 9:15 UTC on
    ticks = [tick(100 + n, seconds=3600 * n) for n in hours]
    for zone, days in ((UTC, (1, 2, 4)), (ZoneInfo("Asia/Kolkata"), (1, 2, 4))):
        portfolio = Portfolio(zone=zone)
        told(portfolio, ticks)
        assert results_of(portfolio).days == [date(2024, 3, day) for day in days]
    portfolio = Portfolio(zone=ZoneInfo("Asia/Tokyo"))
    told(portfolio, ticks)
    assert results_of(portfolio).days == [date(2024, 3, day) for day in (1, 2, 4)]


def test_profit_is_of_the_day_on_whose_clock_it_was_made() -> None:
    ticks = [tick(price, seconds=3600 * hour) for hour, price in ((0, 100), (14, 110), (15, 130))]
    buy = filled(order(1, 1), "100")
    found = {}
    for name in ("UTC", "Asia/Kolkata", "America/New_York"):
        portfolio = Portfolio(zone=ZoneInfo(name))
        told(portfolio, ticks, buy)
        found[name] = results_of(portfolio).whole.daily.profit.tolist()
    # 23:15 and 00:15 UTC are of two days there, both of 2 March in India, of 1 March in New York.
    assert found == {"UTC": [10, 30], "Asia/Kolkata": [0, 30], "America/New_York": [30]}


def test_days_follow_the_clocks_when_they_change() -> None:
    zone = ZoneInfo("Europe/Berlin")  # 31 March 2024 has 23 hours
    portfolio = Portfolio(zone=zone)
    hours = [tick(1, seconds=3600 * hour) for hour in range(24 * 28, 24 * 33)]
    told(portfolio, hours)
    expected = sorted({each.event_time.astimezone(zone).date() for each in hours})
    assert results_of(portfolio).days == expected


def test_slippage_is_measured_from_the_tick_that_caused_the_order() -> None:
    buy, sell = order(1, 10, reference="100"), order(2, -10, reference="105", seconds=1)
    portfolio = Portfolio()
    told(portfolio, [tick()], buy, filled(buy, "100.50"), sell, filled(sell, "105.20"))
    money = results_of(portfolio).whole.standing.money
    assert (money.slippage, money.fills_without_slippage) == (Decimal("3.00"), 0)


def test_what_is_not_said_is_not_counted_as_nothing() -> None:
    buy = order(1, 10)
    portfolio = Portfolio()
    told(portfolio, [tick()], filled(buy, "100"), buy, filled(buy, "101", fees="2"))
    money = results_of(portfolio).whole.standing.money
    assert (money.fills, money.fees, money.slippage) == (2, 2, 10)
    assert (money.fills_without_fees, money.fills_without_slippage) == (1, 1)


def test_orders_that_are_over_are_forgotten() -> None:
    portfolio = Portfolio()
    made = [order(n, 10) for n in range(4)]
    part = filled(made[0], "100", units=3, status=OrderStatus.PARTIALLY_FILLED)
    expired, refused = (
        report_of(one, sequence=3, status=status, event_time_us=to_micros(START))
        for one, status in ((made[0], OrderStatus.EXPIRED), (made[2], OrderStatus.REJECTED))
    )
    violation = Violation(code=RejectionCode.BROKER_UNAVAILABLE, reason="gone")
    told(portfolio, [tick()], *made, part)
    references = portfolio._unbooked.references
    assert len(references) == 4
    rejection = Rejection.of_order(made[2], Stage.ROUTER, violation)
    portfolio.events([expired, filled(made[1], "100"), rejection, refused])
    assert set(references) == {made[3].client_order_id}


def test_books_are_apart_by_strategy_account_and_instrument() -> None:
    mine = order(1, 5)
    theirs = changed(order(2, -5), strategy_id="other")
    elsewhere = changed(order(3, -5), account="LIVE")
    results = held(
        ([tick(100), tick(110, seconds=1)], [filled(o, "100") for o in (mine, theirs, elsewhere)])
    )
    assert results.trades == []
    whole, one, other = results.whole, *results.strategies.values()
    assert whole.standing.net_profit == -50
    assert (one.standing.net_profit, other.standing.net_profit) == (0, -50)
    assert results.instruments[TOKEN].standing.positions == {TOKEN: -5}
    assert (results.equity[-1].net_exposure, results.equity[-1].gross_exposure) == (-550, 1650)


def test_what_is_finished_can_be_asked_again() -> None:
    portfolio = Portfolio()
    told(portfolio, [tick(100), tick(110, seconds=90)], filled(order(1, 1), "100"))
    first, again = results_of(portfolio), results_of(portfolio)
    assert (first.equity, list(first.days)) == (again.equity, list(again.days))
    assert len(again.days) == 1


def test_most_trades_are_counted_and_only_the_first_are_kept() -> None:
    portfolio = Portfolio(most_trades=2)
    fills = [filled(order(n, (-1) ** n), str(100 + n), seconds=n) for n in range(10)]
    told(portfolio, [tick(seconds=n) for n in range(10)], *fills)
    results = results_of(portfolio)
    assert (len(results.trades), results.whole.standing.trades.count) == (2, 5)


def test_the_decimal_context_of_a_strategy_does_not_matter() -> None:
    reports = [filled(order(1, 7), "1234.56", fees="0.01"), filled(order(2, -7), "1235.67")]
    blocks = ([tick("1234.56"), tick("1235.67", seconds=60)], reports)
    expected = held(blocks)
    with localcontext() as context:
        context.prec = 2
        found = held(blocks)
    assert found.whole.standing == expected.whole.standing
    assert expected.whole.standing.net_profit == Decimal("7.76")


def test_a_long_run_has_a_coarser_grid_and_no_more_samples() -> None:
    curve = EquityCurve(step_us=10, most=4)
    for n in range(1, 18):
        curve.add(EquitySample(10 * n, Decimal(n), Decimal(0), Decimal(0)))
    assert curve.step_us == 80
    assert [(s.time_us, s.equity) for s in curve.samples] == [(80, 8), (160, 16), (240, 17)]


# Against books kept tick by tick.

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 90),  # seconds since the tick before
        st.sampled_from((1001, 1002, 1003)),
        st.integers(1, 500),  # price
        st.integers(-4, 4),  # units traded at it
        st.integers(1, 2),  # by which strategy
        st.decimals("0", "3", places=3),  # fees
    ),
    min_size=1,
    max_size=40,
)


def history(
    events: list[tuple[int, int, int, int, int, Decimal]], step: int
) -> list[tuple[MarketTick, ExecutionReport | None]]:
    seconds = 0
    found: list[tuple[MarketTick, ExecutionReport | None]] = []
    for number, (later, token, price, units, strategy, fees) in enumerate(events):
        seconds += later * step
        report = None
        if units:
            made = changed(order(number, units, token=token), strategy_id=str(strategy))
            report = filled(made, str(price), fees=str(fees), seconds=seconds)
        found.append((tick(price, token=token, seconds=seconds), report))
    return found


def in_blocks(
    told_of: list[tuple[MarketTick, ExecutionReport | None]], length: int, **options: object
) -> tuple[Portfolio, Results]:
    portfolio = Portfolio(capital=CAPITAL, **options)
    for first in range(0, len(told_of), length):
        part = told_of[first : first + length]
        told(portfolio, [t for t, _ in part], *(r for _, r in part if r is not None))
    return portfolio, results_of(portfolio)


def naive_equity(told_of: list[tuple[MarketTick, ExecutionReport | None]]) -> list[Decimal]:
    """Equity behind each tick and its fill."""
    cash, prices, units, found = CAPITAL, {}, {}, []
    for each, report in told_of:
        token = each.instrument_token
        prices[token] = each.last_price
        if report is not None and report.last_price is not None:
            cash -= report.signed_quantity * report.last_price + (report.fees or 0)
            units[token] = units.get(token, 0) + report.signed_quantity
        found.append(cash + sum(n * prices[t] for t, n in units.items()))
    return found


@settings(deadline=None)
@given(EVENTS, st.sampled_from([1, 2, 7, 100]), st.sampled_from([1, 60, 3600]))
def test_samples_and_closings_are_those_of_books_kept_tick_by_tick(
    events: list[tuple[int, int, int, int, int, Decimal]], length: int, step: int
) -> None:
    told_of = history(events, step)
    _, results = in_blocks(told_of, length)
    naive = naive_equity(told_of)
    times = [each.event_time_us for each, _ in told_of]
    for sample in results.equity[1:]:
        assert sample.time_us % results.step_us == 0
        assert sample.equity == naive[bisect_right(times, sample.time_us) - 1]
    assert results.equity[0].equity == CAPITAL
    cells = {-(-t // results.step_us) * results.step_us for t in times}
    assert [sample.time_us for sample in results.equity[1:]] == sorted(cells)
    closes = {
        each.event_time.date(): equity for (each, _), equity in zip(told_of, naive, strict=True)
    }
    assert results.days == list(closes)
    expected = [float(equity - CAPITAL) for equity in closes.values()]
    assert results.whole.daily.profit == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(EVENTS, st.sampled_from([1, 3, 100]))
def test_trades_and_open_lots_come_to_what_cash_and_positions_come_to(
    events: list[tuple[int, int, int, int, int, Decimal]], length: int
) -> None:
    told_of = history(events, 1)
    portfolio, results = in_blocks(told_of, length)
    closed = sum((trade.gross_profit for trade in results.trades), Decimal(0))
    fees = sum((trade.fees for trade in results.trades), Decimal(0))
    unrealised = Decimal(0)
    for key, book in portfolio.ledger.books.items():
        for lot in book.lots.open:
            last_raw = portfolio.ledger.prices_raw[key.instrument_token]
            gained = from_raw(last_raw) - lot.price
            unrealised += gained * lot.quantity * lot.sign
            fees += lot.fees
    money = results.whole.standing.money
    assert fees == money.fees == sum((r.fees or 0) for _, r in told_of if r is not None)
    assert closed + unrealised == results.whole.standing.gross_profit
    closed_fees = sum((trade.fees for trade in results.trades), Decimal(0))
    assert results.whole.standing.realized_profit == closed - closed_fees
    assert results.whole.standing.unrealized_profit == unrealised - (fees - closed_fees)
    assert closed + unrealised - fees == results.equity[-1].equity - CAPITAL
    parts = (results.strategies, results.instruments)
    for part in parts:
        assert sum(p.standing.net_profit for p in part.values()) == closed + unrealised - fees
        if part:
            profits = np.sum([p.daily.profit for p in part.values()], axis=0)
            assert profits == pytest.approx(results.whole.daily.profit, abs=1e-9)
            traded = np.sum([p.daily.traded for p in part.values()], axis=0)
            assert traded == pytest.approx(results.whole.daily.traded, abs=1e-9)


@settings(deadline=None)
@given(EVENTS)
def test_the_pieces_that_ticks_come_in_do_not_matter(
    events: list[tuple[int, int, int, int, int, Decimal]],
) -> None:
    told_of = history(events, 60)
    results = [in_blocks(told_of, length)[1] for length in (1, 5, 100)]
    for other in results[1:]:
        assert other.equity == results[0].equity
        assert other.days == results[0].days
        assert other.trades == results[0].trades
        assert other.whole.statistics == results[0].whole.statistics


def test_what_comes_late_counts_when_it_comes() -> None:
    blocks = (
        ([tick(100), tick(110, seconds=120)], [filled(order(1, 1), "100")]),
        ([tick(150, seconds=30), tick(120, seconds=300)], []),
    )
    assert curve(held(*blocks)) == [(-1, 0), (0, 0), (2, 50), (5, 20)]


def test_a_tick_with_an_earlier_time_counts_from_the_one_before_it_on() -> None:
    """Within a block as well: nobody knew its price at its own time."""
    prices = ((100, 0), (110, 120), (150, 30), (120, 300))
    ticks = [tick(price, seconds=seconds) for price, seconds in prices]
    results = held((ticks, [filled(order(1, 1), "100")]))
    assert curve(results) == [(-1, 0), (0, 0), (1, 0), (2, 50), (5, 20)]


def test_a_trade_that_comes_out_even_was_neither_won_nor_lost() -> None:
    fills = []
    for number, (price, fees) in enumerate((("103", "0"), ("99", "0"), ("100", "0"), ("101", "1"))):
        entry, leaving = order(2 * number, 1), order(2 * number + 1, -1)
        fills += [filled(entry, "100"), filled(leaving, price, fees=fees)]
    trades = held(([tick()], fills)).whole.standing.trades
    assert (trades.count, trades.won, trades.lost) == (4, 1, 1)


def test_a_strategy_that_trades_later_has_made_nothing_on_the_days_before() -> None:
    day = 86_400
    prices = ((100, 0), (110, 3_600), (120, day), (150, day + 60), (90, 2 * day))
    ticks = [tick(price, seconds=seconds) for price, seconds in prices]
    first = filled(order(1, 1), "100")
    later = filled(changed(order(2, 2, seconds=day), strategy_id="other"), "120", seconds=day)
    elsewhere = filled(order(3, 1, token=5, seconds=2 * day), "7", seconds=2 * day)
    results = held((ticks, [first, later, elsewhere]))
    one, other = results.strategies.values()
    assert (one.daily.profit.tolist(), other.daily.profit.tolist()) == ([10, 50, -10], [0, 60, -60])
    assert (one.daily.traded.tolist(), other.daily.traded.tolist()) == ([100, 0, 7], [0, 240, 0])
    assert results.instruments[5].daily.traded.tolist() == [0, 0, 7]
    assert results.whole.daily.profit.tolist() == [10, 110, -70]


def test_what_no_tick_was_seen_of_is_worth_what_was_paid_for_it() -> None:
    elsewhere = order(1, 3, token=5)
    results = held(([tick(100)], [filled(elsewhere, "7.12345678", fees="1")]))
    assert results.equity[-1].gross_exposure == Decimal("21.37037034")


def test_a_fill_behind_the_last_tick_is_booked_all_the_same() -> None:
    results = held(([tick(100)], [filled(order(1, 1), "101", seconds=200)]))
    assert results.whole.standing.net_profit == -1
    assert results.equity[-1].time_us >= to_micros(START + timedelta(seconds=200))
    assert from_micros(results.equity[0].time_us) < START
