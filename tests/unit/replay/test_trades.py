"""Round trips, first in, first out."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.trading import ExecutionReport
from algo_panda.replay.exact import divided, share
from algo_panda.replay.lots import Lots
from algo_panda.replay.trades import PositionSide, Trade
from tests.unit.fakes.values import START
from tests.unit.replay.fills import as_fill, filled, order, unit_by_unit


def booked(*reports: ExecutionReport) -> tuple[list[Trade], Lots]:
    lots = Lots()
    trades = [trade for report in reports for trade in lots.take(as_fill(report))]
    return [*trades, *lots.end()], lots


def test_what_was_bought_and_sold_again_is_one_long_trade() -> None:
    (trade,), lots = booked(
        filled(order(1, 10), "100.5", fees="1", seconds=1),
        filled(order(2, -10), "103", fees="2", seconds=61),
    )
    assert (trade.side, trade.quantity) == (PositionSide.LONG, 10)
    assert (trade.entry_price, trade.exit_price) == (Decimal("100.5"), Decimal(103))
    assert (trade.gross_profit, trade.fees, trade.net_profit) == (25, 3, 22)
    assert trade.entry_time == START + timedelta(seconds=1)
    assert trade.holding_time == timedelta(minutes=1)
    assert (trade.entry_order, trade.exit_order) == ("O1", "O2")
    assert not lots.open


def test_a_fall_is_a_profit_to_who_sold_first() -> None:
    (trade,), _ = booked(filled(order(1, -4), "50"), filled(order(2, 4), "40"))
    assert (trade.side, trade.gross_profit) == (PositionSide.SHORT, 40)


def test_the_oldest_units_are_closed_first_and_the_rest_stays_open() -> None:
    (trade,), lots = booked(
        filled(order(1, 5), "10"), filled(order(2, 5), "20"), filled(order(3, -3), "30")
    )
    assert (trade.entry_order, trade.quantity, trade.gross_profit) == ("O1", 3, 60)
    assert [(lot.order, lot.quantity) for lot in lots.open] == [("O1", 2), ("O2", 5)]


def test_one_order_through_zero_closes_what_was_open_and_opens_the_rest() -> None:
    (first, second), lots = booked(
        filled(order(1, 5), "10", fees="5"),
        filled(order(2, -8), "12", fees="8"),
        filled(order(3, 3), "11", fees="3"),
    )
    assert (first.side, first.quantity, first.gross_profit, first.fees) == ("LONG", 5, 10, 10)
    assert (second.side, second.quantity, second.gross_profit, second.fees) == ("SHORT", 3, 3, 6)
    assert not lots.open


def test_partial_fills_make_no_more_trades_but_mean_prices() -> None:
    entry, leaving = order(1, 4), order(2, -4)
    (trade,), _ = booked(
        filled(entry, "10", units=1, seconds=0),
        filled(entry, "11", units=3, seconds=5),
        filled(leaving, "12", units=2, seconds=10),
        filled(leaving, "14", units=2, seconds=20),
    )
    assert (trade.quantity, trade.entry_price, trade.exit_price) == (4, Decimal("10.75"), 13)
    assert (trade.gross_profit, trade.holding_time) == (9, timedelta(seconds=20))


def test_fees_that_cannot_be_divided_are_not_lost() -> None:
    trades, lots = booked(
        filled(order(1, 3), "10", fees="0.10"),
        filled(order(2, -1), "10"),
        filled(order(3, -1), "10"),
    )
    assert [trade.fees for trade in trades] == [Decimal("0.03333333"), Decimal("0.03333334")]
    assert sum(trade.fees for trade in trades) + lots.open[0].fees == Decimal("0.10")


def test_the_decimal_context_of_a_strategy_does_not_matter() -> None:
    with localcontext() as context:
        context.prec = 2
        (trade,), _ = booked(filled(order(1, 7), "1234.56"), filled(order(2, -7), "1235.67"))
    assert trade.gross_profit == Decimal("7.77")


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_a_quotient_is_rounded_to_the_nearest_and_of_two_to_the_even(amount: int, by: int) -> None:
    assert divided(amount, by) == round(Fraction(amount, by))


def test_a_share_of_the_whole_is_all_of_it() -> None:
    assert (share(100, 1, 3), share(100, 3, 3), share(-100, 1, 3)) == (33, 100, -33)


PRICES = st.decimals("0.01", "1000", places=2)
FEES = st.decimals("0", "10", places=4)


@st.composite
def histories(draw: st.DrawFn) -> list[ExecutionReport]:
    """Fills of one book; every order has one or two, one behind the other."""
    reports: list[ExecutionReport] = []
    for number in range(draw(st.integers(1, 12))):
        units = draw(st.integers(-6, 6).filter(bool))
        made = order(number, units, seconds=number)
        first = draw(st.integers(1, abs(units)))
        for part in filter(None, (first, abs(units) - first)):
            price, fees = draw(PRICES), str(draw(FEES))
            reports.append(filled(made, price, units=part, fees=fees))
    return reports


@given(histories())
def test_trades_are_those_of_books_kept_unit_by_unit(reports: list[ExecutionReport]) -> None:
    trades, lots = booked(*reports)
    found: dict[tuple[str, str], tuple[int, Fraction]] = defaultdict(lambda: (0, Fraction(0)))
    for trade in trades:
        units, profit = found[trade.entry_order, trade.exit_order]
        gained = profit + Fraction(trade.gross_profit)
        found[trade.entry_order, trade.exit_order] = (units + trade.quantity, gained)
        assert trade.net_profit == trade.gross_profit - trade.fees
    naive, left = unit_by_unit(reports)
    assert dict(found) == naive
    assert len(trades) == len(naive)  # orders come one behind the other: none is told of twice
    assert sum(lot.sign * lot.quantity for lot in lots.open) == left


@given(histories())
def test_fees_of_trades_and_open_lots_are_the_fees_paid(reports: list[ExecutionReport]) -> None:
    trades, lots = booked(*reports)
    shares = sum(trade.fees for trade in trades) + sum(lot.fees for lot in lots.open)
    assert shares == sum(report.fees or 0 for report in reports)
    assert all(trade.fees >= 0 for trade in trades)
