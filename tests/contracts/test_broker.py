"""What becomes of an order at every venue: on paper now, at each venue that joins later."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.brokers.paper.broker import PaperBroker
from algo_panda.brokers.paper.fees import read_fees
from algo_panda.brokers.paper.fills import FillModel, Markup
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.ids import client_order_id
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import to_raw
from algo_panda.domain.timestamps import to_micros
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, Side

TOPIC_ID = "topic-a"
SECOND_US = 1_000_000
FEES = read_fees("zerodha-nse-intraday-2024-10")
Run = Callable[[Order], Sequence[ExecutionReport]]


def on_paper(**model: object) -> Run:
    """The paper broker and its venue, and a tick a second behind the one that caused the order."""

    def run(order: Order) -> Sequence[ExecutionReport]:
        broker = PaperBroker()
        venue = PaperVenue(topic_id=TOPIC_ID, model=FillModel(**model), fees=FEES)  # type: ignore[arg-type]
        reports: list[ExecutionReport] = []
        for event in broker.submit(order):
            assert isinstance(event, Order)
            reports.extend(venue.on_order(event))
        for number in range(1, 6):
            tick = MarketTick(
                order.instrument_token,
                to_micros(order.event_time) + number * SECOND_US,
                to_raw(order.reference_price) + number,
                last_traded_quantity=number * order.quantity // 2,
            )
            reports.extend(venue.on_tick(order.tick_offset + number, tick))
        return reports

    return run


HALF = Markup(bps=Decimal(50))
BROKERS = [
    pytest.param(on_paper(), id="paper"),
    pytest.param(on_paper(spread=HALF, slippage=HALF), id="paper-spread"),
    pytest.param(on_paper(volume_limit=Decimal("0.4")), id="paper-in-parts"),
    pytest.param(on_paper(volume_limit=Decimal("0.01")), id="paper-not-to-its-end"),
    pytest.param(on_paper(latency_us=3 * SECOND_US, latency_jitter_us=SECOND_US), id="paper-late"),
    pytest.param(on_paper(latency_us=2 * SECOND_US, expire_after_us=SECOND_US), id="paper-expired"),
    pytest.param(
        on_paper(volume_limit=Decimal("0.4"), expire_after_us=SECOND_US), id="paper-partly-expired"
    ),
]
every_broker = pytest.mark.parametrize("run", BROKERS)

prices = st.integers(min_value=1, max_value=10**15).map(lambda raw: Decimal(raw).scaleb(-8))
orders = st.builds(
    Order.of,
    client_order_id=st.uuids().map(lambda some: client_order_id(some.hex, "A1")),
    signal_id=st.uuids().map(lambda some: some.hex),
    account=st.sampled_from(["A1", "AB1234"]),
    broker=st.just("here"),
    strategy_id=st.uuids().map(str),
    strategy_type=st.sampled_from(["rules_rsi", "mine"]),
    instrument_token=st.integers(min_value=1, max_value=2**32 - 1),
    side=st.sampled_from(Side),
    quantity=st.integers(min_value=1, max_value=10**6),
    signal_price=prices,
    reference_price=prices,
    event_time=st.integers(min_value=0, max_value=10**9).map(
        lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    tick_topic_id=st.just(TOPIC_ID),
    tick_partition=st.integers(min_value=0, max_value=11),
    tick_offset=st.integers(min_value=0, max_value=2**40),
)

OF_THE_ORDER = (
    "client_order_id",
    "signal_id",
    "account",
    "broker",
    "strategy_id",
    "strategy_type",
    "instrument_token",
    "side",
    "quantity",
)


@every_broker
@given(order=orders)
def test_every_report_belongs_to_its_order(run: Run, order: Order):
    reports = run(order)
    assert reports
    for report in reports:
        assert {name: getattr(report, name) for name in OF_THE_ORDER} == {
            name: getattr(order, name) for name in OF_THE_ORDER
        }


@every_broker
@given(order=orders)
def test_reports_are_numbered_from_one_without_a_gap(run: Run, order: Order):
    reports = run(order)
    assert [report.execution_id for report in reports] == [
        f"{order.client_order_id}-{number}" for number in range(1, len(reports) + 1)
    ]


@every_broker
@given(order=orders)
def test_an_order_ends_at_most_once_and_last(run: Run, order: Order):
    reports = run(order)
    assert not any(report.status.is_terminal for report in reports[:-1])


@every_broker
@given(order=orders)
def test_fills_have_price_and_quantity_and_other_events_have_neither(run: Run, order: Order):
    for report in run(order):
        is_fill = report.status in {OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}
        assert (report.last_quantity > 0) == is_fill
        assert (report.last_price is not None) == is_fill
        assert report.last_price is None or report.last_price > 0


@every_broker
@given(order=orders)
def test_fills_add_up_and_never_to_more_than_was_ordered(run: Run, order: Order):
    filled = 0
    for report in run(order):
        filled += report.last_quantity
        assert report.cumulative_quantity == filled <= order.quantity
        assert (report.status is OrderStatus.FILLED) == (filled == order.quantity)


@every_broker
@given(order=orders)
def test_what_did_not_work_says_why(run: Run, order: Order):
    for report in run(order):
        silent = {OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.CANCELED}
        assert report.reason or report.status not in silent


@every_broker
@given(order=orders)
def test_time_at_the_venue_never_goes_back_and_has_a_zone(run: Run, order: Order):
    times = [report.event_time for report in run(order)]
    assert all(moment.utcoffset() == timedelta(0) for moment in times)
    assert times == sorted(times)
    assert times[0] >= order.event_time


@every_broker
@given(order=orders)
def test_a_venue_that_accepts_an_order_names_it(run: Run, order: Order):
    names = {
        report.venue_order_id for report in run(order) if report.status is not OrderStatus.REJECTED
    }
    assert len(names) <= 1
    assert None not in names


@every_broker
@given(order=orders)
def test_fees_belong_to_fills_alone(run: Run, order: Order):
    for report in run(order):
        assert report.fees is None or (report.last_quantity > 0 and report.fees >= 0)


@every_broker
@given(order=orders)
def test_the_same_order_has_the_same_reports(run: Run, order: Order):
    assert list(run(order)) == list(run(order))
