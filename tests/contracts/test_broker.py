"""What every ``Broker`` does with an order: the paper venue now, each venue that joins later."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.brokers.paper.broker import PaperBroker
from app.domain.ids import client_order_id
from app.domain.trading import ExecutionReport, Order, OrderStatus, Side
from app.execution.ports import Broker

BROKERS = [pytest.param(PaperBroker, id="paper")]
every_broker = pytest.mark.parametrize("make", BROKERS)

prices = st.integers(min_value=1, max_value=10**15).map(lambda raw: Decimal(raw).scaleb(-8))
orders = st.builds(
    Order,
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
    tick_topic_id=st.just("topic-a"),
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
def test_every_report_belongs_to_its_order(make: type[Broker], order: Order):
    reports = make().submit(order)
    assert reports
    for report in reports:
        assert {name: getattr(report, name) for name in OF_THE_ORDER} == {
            name: getattr(order, name) for name in OF_THE_ORDER
        }


@every_broker
@given(order=orders)
def test_reports_are_numbered_from_one_without_a_gap(make: type[Broker], order: Order):
    reports = make().submit(order)
    assert [report.execution_id for report in reports] == [
        f"{order.client_order_id}-{number}" for number in range(1, len(reports) + 1)
    ]


@every_broker
@given(order=orders)
def test_an_order_ends_at_most_once_and_last(make: type[Broker], order: Order):
    reports = make().submit(order)
    assert not any(report.status.is_terminal for report in reports[:-1])


@every_broker
@given(order=orders)
def test_fills_have_price_and_quantity_and_other_events_have_neither(
    make: type[Broker], order: Order
):
    for report in make().submit(order):
        is_fill = report.status in {OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}
        assert (report.last_quantity > 0) == is_fill
        assert (report.last_price is not None) == is_fill
        assert report.last_price is None or report.last_price > 0


@every_broker
@given(order=orders)
def test_fills_add_up_and_never_to_more_than_was_ordered(make: type[Broker], order: Order):
    filled = 0
    for report in make().submit(order):
        filled += report.last_quantity
        assert report.cumulative_quantity == filled <= order.quantity
        assert (report.status is OrderStatus.FILLED) == (filled == order.quantity)


@every_broker
@given(order=orders)
def test_what_did_not_work_says_why(make: type[Broker], order: Order):
    for report in make().submit(order):
        assert report.reason or report.status is not OrderStatus.REJECTED


@every_broker
@given(order=orders)
def test_time_at_the_venue_never_goes_back_and_has_a_zone(make: type[Broker], order: Order):
    times = [report.event_time for report in make().submit(order)]
    assert all(moment.utcoffset() == timedelta(0) for moment in times)
    assert times == sorted(times)
    assert times[0] >= order.event_time


@every_broker
@given(order=orders)
def test_a_venue_that_accepts_an_order_names_it(make: type[Broker], order: Order):
    names = {
        report.venue_order_id
        for report in make().submit(order)
        if report.status is not OrderStatus.REJECTED
    }
    assert len(names) <= 1
    assert None not in names


# --- the paper venue's own promises -----------------------------------------------------------


@given(order=orders)
def test_the_paper_venue_gives_the_same_reports_for_the_same_order(order: Order):
    broker = PaperBroker()
    assert (
        list(broker.submit(order))
        == list(broker.submit(order))
        == list(PaperBroker().submit(order))
    )


def test_the_paper_venue_accepts_and_fills_whole_at_the_reference_price():
    order = Order(
        client_order_id="ABCDEFGHIJKLMNOPQRST",
        signal_id="5" * 32,
        account="A1",
        broker="paper",
        strategy_id=str(UUID(int=1)),
        strategy_type="rules_rsi",
        instrument_token=256265,
        side=Side.SELL,
        quantity=7,
        signal_price=Decimal("185.50"),
        reference_price=Decimal("185.45"),
        event_time=datetime(2024, 3, 1, 9, 15, tzinfo=UTC),
        tick_topic_id="topic-a",
        tick_partition=0,
        tick_offset=3,
    )
    accepted, filled = PaperBroker().submit(order)
    common = {
        "client_order_id": "ABCDEFGHIJKLMNOPQRST",
        "venue_order_id": "PAPER-ABCDEFGHIJKLMNOPQRST",
        "signal_id": "5" * 32,
        "account": "A1",
        "broker": "paper",
        "strategy_id": str(UUID(int=1)),
        "strategy_type": "rules_rsi",
        "instrument_token": 256265,
        "side": Side.SELL,
        "quantity": 7,
        "reason": None,
        "event_time": datetime(2024, 3, 1, 9, 15, tzinfo=UTC),
    }
    assert accepted == ExecutionReport(
        execution_id="ABCDEFGHIJKLMNOPQRST-1",
        status=OrderStatus.ACCEPTED,
        last_quantity=0,
        last_price=None,
        cumulative_quantity=0,
        **common,
    )
    assert filled == ExecutionReport(
        execution_id="ABCDEFGHIJKLMNOPQRST-2",
        status=OrderStatus.FILLED,
        last_quantity=7,
        last_price=Decimal("185.45"),
        cumulative_quantity=7,
        **common,
    )
    assert filled.signed_quantity == -7
