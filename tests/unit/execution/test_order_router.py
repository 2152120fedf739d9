"""The last gate before a venue: each order at most once, a refusal always with an end."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from algo_panda.domain.recent_ids import SegmentChanges
from algo_panda.domain.routes import RouteRecord
from algo_panda.domain.time_to_live import TimeToLive
from algo_panda.domain.trading import (
    ExecutionReport,
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    Stage,
    TradingState,
)
from algo_panda.execution.router import OrderRouter, RouterChanges
from tests.unit.fakes.values import ORDER, OTHER_TOKEN, order, report


class Venue:
    """Remembers what it was sent, and fills it."""

    def __init__(self) -> None:
        self.sent: list[Order] = []

    def submit(self, given: Order, /) -> Sequence[ExecutionReport]:
        self.sent.append(given)
        return (report(given, OrderStatus.FILLED, filled=given.quantity),)


class Setup:
    """A router with a venue called paper, and trading states that can be set."""

    def __init__(self) -> None:
        self.venue = Venue()
        self.states: dict[str, TradingState] = {}
        self.time_to_live: TimeToLive | None = None
        self.router = self.started()

    def started(self) -> OrderRouter:
        return OrderRouter(
            brokers={"paper": self.venue, "alpaca": Venue()},
            trading_state=lambda account: self.states.get(account, TradingState.ACTIVE),
            time_to_live=self.time_to_live,
        )


@pytest.fixture
def setup() -> Setup:
    return Setup()


def test_an_order_goes_to_its_broker_and_its_events_come_back(setup):
    events = setup.router.on_order(order())
    assert setup.venue.sent == [order()]
    assert list(events) == [report(order(), OrderStatus.FILLED, filled=10)]


def refused(setup: Setup, given: Order) -> tuple[Rejection, ExecutionReport]:
    rejection, ended = setup.router.on_order(given)
    assert isinstance(rejection, Rejection)
    assert isinstance(ended, ExecutionReport)
    assert setup.venue.sent == []
    return rejection, ended


def test_an_order_for_an_unknown_broker_is_refused_and_ended(setup):
    given = order(broker="zerodha", account="AB1234")
    rejection, ended = refused(setup, given)
    reason = "broker 'zerodha' is not available here; available: alpaca, paper"
    named = f"router|{given.client_order_id}|AB1234"
    assert rejection == Rejection(
        rejection_id=hashlib.blake2b(named.encode(), digest_size=16).hexdigest(),
        stage=Stage.ROUTER,
        code=RejectionCode.BROKER_UNAVAILABLE,
        reason=reason,
        signal_id=given.signal_id,
        strategy_id=given.strategy_id,
        strategy_type=given.strategy_type,
        instrument_token=given.instrument_token,
        account="AB1234",
        broker="zerodha",
        event_time=given.event_time,
        tick_partition=2,
        tick_offset=7,
    )
    assert ended == ExecutionReport.of(
        execution_id=f"{given.client_order_id}-1",
        client_order_id=given.client_order_id,
        venue_order_id=None,
        signal_id=given.signal_id,
        account="AB1234",
        broker="zerodha",
        strategy_id=given.strategy_id,
        strategy_type=given.strategy_type,
        instrument_token=given.instrument_token,
        side=given.side,
        status=OrderStatus.REJECTED,
        quantity=10,
        last_quantity=0,
        last_price=None,
        cumulative_quantity=0,
        reason=reason,
        event_time=given.event_time,
    )
    assert ended.status.is_terminal


def test_while_an_account_is_halted_its_orders_are_refused_and_ended(setup):
    setup.states["PAPER1"] = TradingState.HALTED
    rejection, ended = refused(setup, order())
    assert rejection.code is RejectionCode.TRADING_HALTED
    assert rejection.reason == ended.reason == "trading on account PAPER1 is HALTED"
    assert ended.status is OrderStatus.REJECTED


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
def test_what_reduces_was_decided_by_risk_and_passes_here(setup, state):
    setup.states["PAPER1"] = state
    setup.router.on_order(order())
    assert setup.venue.sent == [order()]


def test_another_accounts_halt_is_not_this_ones(setup):
    setup.states["OTHER"] = TradingState.HALTED
    setup.router.on_order(order())
    assert setup.venue.sent == [order()]


def test_an_order_that_comes_again_is_not_sent_again(setup):
    setup.router.on_order(order())
    assert list(setup.router.on_order(order())) == []
    assert setup.venue.sent == [order()]


def test_nor_is_one_that_was_refused(setup):
    setup.states["PAPER1"] = TradingState.HALTED
    refused(setup, order())
    setup.states["PAPER1"] = TradingState.ACTIVE
    assert list(setup.router.on_order(order())) == []
    assert setup.venue.sent == []


@pytest.mark.parametrize(
    "change",
    [
        {"tick_offset": 8},
        {"tick_offset": 3},
        {"tick_partition": 0, "tick_offset": 3},
        {"tick_topic_id": "topic-b", "tick_offset": 0},
        {"account": "PAPER2"},
        {"strategy_id": "another"},
        {"instrument_token": OTHER_TOKEN},
    ],
    ids=str,
)
def test_what_is_not_the_same_order_again_is_sent(setup, change):
    setup.router.on_order(order())
    assert len(setup.router.on_order(order(**change))) == 1
    assert list(setup.router.on_order(order())) == []
    assert setup.venue.sent == [order(), order(**change)]


def test_a_restored_router_knows_its_orders(setup):
    setup.router.on_order(order(tick_offset=7))
    setup.router.on_order(order(tick_offset=9, instrument_token=OTHER_TOKEN))
    changes = setup.router.changes()
    setup.router = setup.started()
    setup.router.restore(changes.seen.written)
    assert setup.router.changes() == RouterChanges(seen=SegmentChanges((), ()), ended=())
    assert list(setup.router.on_order(order(tick_offset=7))) == []
    assert len(setup.router.on_order(order(tick_offset=6))) == 1
    assert len(setup.router.on_order(order(tick_offset=8))) == 1
    assert list(setup.router.on_order(order(tick_offset=9, instrument_token=OTHER_TOKEN))) == []


def test_a_route_of_version_1_holds_until_the_first_order_behind_it(setup):
    route = RouteRecord("PAPER1", ORDER.strategy_id, ORDER.instrument_token, "topic-a", 7)
    other = route._replace(instrument_token=OTHER_TOKEN)
    setup.router.restore((), [route, other])
    assert list(setup.router.on_order(order(tick_offset=7))) == []
    assert list(setup.router.on_order(order(tick_offset=3))) == []
    assert setup.router.changes().ended == ()
    assert len(setup.router.on_order(order(tick_offset=8))) == 1
    assert setup.router.changes().ended == (route,)
    assert len(setup.router.on_order(order(tick_offset=5))) == 1
    assert list(setup.router.on_order(order(tick_offset=5, instrument_token=OTHER_TOKEN))) == []
    again = order(tick_topic_id="topic-b", tick_offset=0, instrument_token=OTHER_TOKEN)
    assert len(setup.router.on_order(again)) == 1
    assert setup.router.changes().ended == (other,)


@pytest.mark.parametrize(
    ("age", "appended_ago", "is_sent"), [(60, 60, True), (61, 0, False), (61, 61, False)]
)
def test_an_order_that_is_too_old_is_rejected_and_ended(setup, age, appended_ago, is_sent):
    setup.time_to_live = TimeToLive(seconds=60)
    setup.router = setup.started()
    now = ORDER.event_time_us + age * 1_000_000
    events = setup.router.on_order(order(), now, now - appended_ago * 1_000_000)
    if is_sent:
        assert setup.venue.sent == [order()]
        return
    assert setup.venue.sent == []
    rejection, ended = events
    assert rejection.code is RejectionCode.EXPIRED
    assert rejection.reason == ended.reason
    assert rejection.reason.startswith("the order has expired: the tick happened at")
    assert ended.status is OrderStatus.REJECTED


@pytest.mark.parametrize(
    ("appended_ago", "is_sent"), [(60, True), (61, False), (30_000_000, False)]
)
def test_a_broker_that_takes_past_ticks_takes_no_order_that_was_written_long_ago(
    setup, appended_ago, is_sent
):
    setup.time_to_live = TimeToLive(seconds=60, past_brokers=["paper"])
    setup.router = setup.started()
    now = ORDER.event_time_us + 40_000_000 * 1_000_000
    events = setup.router.on_order(order(), now, now - appended_ago * 1_000_000)
    assert setup.venue.sent == ([order()] if is_sent else [])
    if not is_sent:
        assert events[0].code is RejectionCode.EXPIRED
        assert events[0].reason.startswith("the order has expired: it was written at")


def test_a_refusal_says_the_same_whenever_it_is_made_again():
    def refuse() -> Any:
        one = Setup()
        one.states["PAPER1"] = TradingState.HALTED
        return one.router.on_order(order())

    assert refuse() == refuse()


def test_a_venue_that_breaks_is_heard_of(setup):
    class Broken:
        def submit(self, given: Order, /) -> Sequence[ExecutionReport]:
            raise ConnectionError("line is dead")

    router = OrderRouter(brokers={"paper": Broken()}, trading_state=lambda _: TradingState.ACTIVE)
    with pytest.raises(ConnectionError, match="line is dead"):
        router.on_order(ORDER)
