"""Which tick fills a paper order, at what price, and how much of it."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.brokers.paper.filling import Filling
from algo_panda.brokers.paper.fills import FillModel, Markup
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, Side, TradingState
from tests.unit.fakes.values import ORDER, OTHER_TOKEN, order, tick

TOPIC = ORDER.tick_topic_id
AT = ORDER.tick_offset


def venue(**model: Any) -> PaperVenue:
    return PaperVenue(topic_id=TOPIC, model=FillModel(**model))


def after(given: Order, ticks: Sequence[MarketTick], **model: Any) -> list[ExecutionReport]:
    """What becomes of an order by the ticks behind its own, from the second report on."""
    paper = venue(**model)
    (accepted,) = paper.on_order(given)
    assert accepted.status is OrderStatus.ACCEPTED
    return [
        report for number, one in enumerate(ticks, AT + 1) for report in paper.on_tick(number, one)
    ]


def price_of(side: Side, price: str, **model: Any) -> Decimal:
    (fill,) = after(order(side=side), [tick(price, seconds=1)], **model)
    assert fill.last_price is not None
    return fill.last_price


def test_the_next_tick_of_the_instrument_fills_the_whole_order_at_its_price():
    ticks = [
        tick("99", token=OTHER_TOKEN, seconds=1),
        tick("101.5", seconds=2),
        tick(90, seconds=3),
    ]
    (fill,) = after(order(), ticks)
    assert fill.status is OrderStatus.FILLED
    assert (fill.last_quantity, fill.last_price) == (10, Decimal("101.5"))
    assert fill.event_time == ticks[1].event_time
    assert fill.fees is None


def test_the_tick_that_caused_an_order_does_not_fill_it_nor_one_before_it():
    paper = venue()
    paper.on_order(order())
    assert list(paper.on_tick(AT - 1, tick("99", seconds=1))) == []
    assert list(paper.on_tick(AT, tick("100.25"))) == []
    assert paper.open_orders == 1


def test_the_same_trade_delivered_again_does_not_fill_it():
    again, other_price, later = tick("100.25"), tick("100.5"), tick("100.25", seconds=1)
    assert after(order(), [again]) == []
    assert after(order(), [again, other_price])[0].last_price == Decimal("100.5")
    assert after(order(), [again, later])[0].event_time == later.event_time


def test_a_tick_of_before_the_order_that_comes_late_does_not_fill_it():
    assert after(order(), [tick(50, seconds=-1)]) == []


def test_an_order_of_a_topic_that_is_no_more_ends_and_is_filled_by_nothing():
    paper = venue()
    (ended,) = paper.on_order(order(tick_topic_id="the topic before"))
    assert (ended.status, ended.cumulative_quantity) == (OrderStatus.EXPIRED, 0)
    assert ended.execution_id.endswith("-0")
    assert ended.reason == "the topic of its ticks, of id the topic before, is no more"
    assert list(paper.on_tick(0, tick("101", seconds=1))) == []
    assert list(paper.on_order(order(tick_topic_id="the topic before"))) == []


@pytest.mark.parametrize(
    ("under_way_us", "is_accepted"), [(600_000_000, True), (600_000_001, False)]
)
def test_an_order_that_was_under_way_for_more_than_ten_minutes_expires(
    under_way_us: int, is_accepted: bool
):
    """Risk counts it no more after 15 minutes; or it was filled before the state was lost."""
    appended = ORDER.event_time_us + 86_400_000_000
    paper = venue()
    (report,) = paper.on_order(order(), appended + under_way_us, appended)
    fills = [*paper.on_missed(order(), [(AT + 1, tick("101", seconds=1))])]
    fills += paper.on_tick(AT + 2, tick("102", seconds=2))
    assert list(paper.on_order(order(), appended, appended)) == []
    if is_accepted:
        assert report.status is OrderStatus.ACCEPTED
        assert [fill.last_price for fill in fills] == [Decimal(101)]
        return
    assert (report.status, report.cumulative_quantity) == (OrderStatus.EXPIRED, 0)
    assert report.execution_id.endswith("-0")
    assert report.reason == (
        "it was sent to the paper venue at 2024-03-02T09:15:00Z, 600 s ago; the venue accepts an"
        " order for 600 s"
    )
    assert fills == []


def test_no_price_is_made_worse_than_a_record_holds():
    highest = Decimal("9999999999.99999999")
    slips = {"slippage": Markup(bps=Decimal(10))}
    assert price_of(Side.BUY, str(highest), **slips) == highest
    with_size = price_of(Side.BUY, str(highest), tick_size=Decimal("0.05"), **slips)
    assert with_size == Decimal("9999999999.95")


def test_fills_do_not_hang_on_the_thread_s_decimal_context():
    model = {"slippage": Markup(bps=Decimal("2.5")), "volume_limit": Decimal("0.37")}
    given, ticks = order(quantity=12_345), [tick("12345.67", seconds=1, quantity=54_321)]
    expected = after(given, ticks, **model)
    with localcontext(prec=3):
        assert after(given, ticks, **model) == expected
    assert expected[0].last_quantity == 12_345
    assert expected[0].last_price == Decimal("12348.7564175")


def test_latency_passes_over_ticks_that_happened_before_the_order_arrived():
    ticks = [tick("101", seconds=0.4), tick("102", seconds=0.5), tick("103", seconds=0.6)]
    (fill,) = after(order(), ticks, latency_us=500_000)
    assert fill.last_price == Decimal(102)


def test_jitter_is_the_same_for_the_same_order_and_seed_and_within_its_bounds():
    def arrival(seed: int, number: int) -> int:
        model = FillModel(latency_us=100, latency_jitter_us=50, seed=seed)
        return Filling(model).arrival_us(order(client_order_id=f"ORDER{number}"), 0)

    first = [arrival(1, number) for number in range(200)]
    assert first == [arrival(1, number) for number in range(200)]
    assert first != [arrival(2, number) for number in range(200)]
    assert set(first) <= set(range(100, 151))
    assert min(first) < 110
    assert max(first) > 140


@pytest.mark.parametrize(
    ("model", "bought", "sold"),
    [
        ({}, "100", "100"),
        ({"spread": Markup(bps=Decimal(10))}, "100.05", "99.95"),
        ({"slippage": Markup(bps=Decimal("2.5"))}, "100.025", "99.975"),
        ({"slippage": Markup(bps=Decimal("2.5")), "tick_size": "0.05"}, "100.05", "99.95"),
        ({"spread": Markup(ticks=Decimal(3)), "tick_size": "0.05"}, "100.1", "99.9"),
        ({"spread": Markup(ticks=Decimal(2)), "tick_size": "0.05"}, "100.05", "99.95"),
        ({"slippage": Markup(ticks=Decimal(2)), "tick_size": "0.05"}, "100.1", "99.9"),
        (
            {
                "spread": Markup(bps=Decimal(10)),
                "slippage": Markup(ticks=Decimal(1)),
                "tick_size": "0.01",
            },
            "100.06",
            "99.94",
        ),
    ],
)
def test_spread_and_slippage_are_paid_on_both_sides(model: dict[str, Any], bought: str, sold: str):
    size = model.get("tick_size")
    given = {**model, "tick_size": None if size is None else Decimal(size)}
    assert price_of(Side.BUY, "100", **given) == Decimal(bought)
    assert price_of(Side.SELL, "100", **given) == Decimal(sold)


def test_a_price_that_nothing_made_worse_is_left_as_it_was_traded():
    assert price_of(Side.BUY, "100.01", tick_size=Decimal("0.05")) == Decimal("100.01")


def test_a_sale_never_goes_below_the_smallest_price():
    assert price_of(Side.SELL, "1", slippage=Markup(bps=Decimal(20_000))) == Decimal("0.00000001")
    slips = {"slippage": Markup(ticks=Decimal(100)), "tick_size": Decimal("0.05")}
    assert price_of(Side.SELL, "1", **slips) == Decimal("0.05")


def test_slippage_comes_as_often_as_asked_for_and_at_the_same_orders_for_the_same_seed():
    def slipped(seed: int) -> list[bool]:
        model = {"slippage": Markup(bps=Decimal(100)), "slippage_probability": 0.3, "seed": seed}
        orders = (order(client_order_id=f"ORDER{number}") for number in range(1_000))
        fills = [after(one, [tick(100, seconds=1)], **model)[0] for one in orders]
        return [fill.last_price == Decimal(101) for fill in fills]

    first = slipped(1)
    assert first == slipped(1)
    assert first != slipped(2)
    assert 240 < sum(first) < 360  # four standard deviations


def test_a_volume_limit_fills_in_parts_and_the_report_says_how_far_it_is():
    ticks = [tick(100 + n, seconds=n, quantity=q) for n, q in enumerate((8, 0, 3, 1, 50), 1)]
    fills = after(order(), ticks, volume_limit=Decimal("0.5"))
    assert [(f.last_quantity, f.cumulative_quantity) for f in fills] == [
        (4, 4),  # half of 8
        (1, 5),  # half of 3, cut
        (1, 6),  # at least one unit
        (4, 10),  # all that is left
    ]
    assert [f.status for f in fills] == [OrderStatus.PARTIALLY_FILLED] * 3 + [OrderStatus.FILLED]
    assert [f.last_price for f in fills] == [Decimal(n) for n in (101, 103, 104, 105)]


def test_what_is_not_filled_in_time_expires_at_the_first_tick_behind():
    ticks = [tick(101, seconds=1, quantity=4), tick(102, seconds=3_601), tick(103, seconds=3_602)]
    fill, end = after(order(), ticks, volume_limit=Decimal(1), expire_after_us=3_600_000_000)
    assert (fill.status, fill.last_quantity) == (OrderStatus.PARTIALLY_FILLED, 4)
    assert (end.status, end.last_quantity) == (OrderStatus.EXPIRED, 0)
    assert end.cumulative_quantity == 4
    assert end.event_time == ticks[1].event_time
    assert end.reason == "6 of 10 units were not filled within 3600 s"


def test_every_report_of_an_order_has_a_number_of_its_own():
    """Risk books each execution id once: an end under the number of a fill would be passed over."""
    name = order().client_order_id
    ticks = [tick(100, seconds=1, quantity=4), tick(100, seconds=3_601)]
    model: dict[str, Any] = {"volume_limit": Decimal(1), "expire_after_us": 3_600_000_000}
    reports = after(order(), ticks, **model)
    assert [one.execution_id for one in reports] == [f"{name}-2", f"{name}-3"]
    reports = after(order(), ticks[1:], **model)
    assert [one.execution_id for one in reports] == [f"{name}-2"]


def test_orders_do_not_take_volume_from_one_another():
    paper = venue(volume_limit=Decimal(1))
    one, other = order(), order(client_order_id="OTHER", strategy_id="other")
    paper.on_order(one)
    paper.on_order(other)
    fills = paper.on_tick(AT + 1, tick(101, seconds=1, quantity=6))
    assert [(f.client_order_id, f.last_quantity) for f in fills] == [
        (one.client_order_id, 6),
        ("OTHER", 6),
    ]


def test_after_a_restart_orders_are_filled_in_the_order_of_their_ticks():
    paper, again = venue(), venue()
    names = ("C", "A", "B")
    for at, name in enumerate(names):
        paper.on_order(order(client_order_id=name, tick_offset=at))
    changes = paper.changes()
    again.restore(reversed(changes.open), changes.seen.written)
    for one in (paper, again):
        fills = one.on_tick(AT + 1, tick(101, seconds=1))
        assert tuple(fill.client_order_id for fill in fills) == names


def test_only_orders_that_a_checkpoint_knows_of_are_told_to_have_ended():
    paper = venue()
    paper.on_order(order())
    paper.on_tick(AT + 1, tick(101, seconds=1))
    changes = paper.changes()
    assert (changes.open, changes.ended) == ((), ())
    assert [one.ids for one in changes.seen.written] == [(order().client_order_id,)]
    later = order(client_order_id="LATER", tick_offset=AT + 1)
    paper.on_order(later)
    opened = paper.changes().open
    assert [one.order for one in opened] == [later]
    again = venue()
    again.restore(opened, ())
    for one in (paper, again):
        one.on_tick(AT + 2, tick(101, seconds=2))
        changes = one.changes()
        assert (changes.open, changes.ended) == ((), ("LATER",))


def test_a_checkpoint_has_what_was_filled_of_an_order_that_it_knew():
    paper = venue(volume_limit=Decimal(1))
    paper.on_order(order())
    assert [one.filled for one in paper.changes().open] == [0]
    paper.on_tick(AT + 1, tick(101, seconds=1, quantity=4))
    (one,) = paper.changes().open
    assert (one.filled, one.events, one.notional_raw) == (4, 2, 404 * 10**8)


def test_an_order_that_comes_again_is_not_taken_again():
    paper = venue()
    assert len(paper.on_order(order())) == 1
    assert list(paper.on_order(order())) == []
    assert len(paper.on_tick(AT + 1, tick(101, seconds=1))) == 1
    assert list(paper.on_order(order())) == []
    assert paper.open_orders == 0


orders = st.builds(
    lambda at, side, quantity, number: order(
        client_order_id=f"ORDER{at}-{number}",
        strategy_id=f"strategy {number}",
        side=side,
        quantity=quantity,
        tick_offset=at,
        event_time=tick(seconds=at).event_time,
    ),
    at=st.integers(0, 29),  # one of the ticks, of which there are 30 at least
    side=st.sampled_from(Side),
    quantity=st.integers(1, 40),
    number=st.integers(1, 3),
)
models = st.builds(
    FillModel,
    spread=st.builds(Markup, bps=st.integers(0, 50).map(Decimal)),
    slippage=st.builds(Markup, bps=st.integers(0, 50).map(Decimal)),
    slippage_probability=st.sampled_from([0.0, 0.5, 1.0]),
    latency_us=st.integers(0, 5_000_000),
    latency_jitter_us=st.integers(0, 5_000_000),
    volume_limit=st.none() | st.sampled_from([Decimal("0.1"), Decimal(1)]),
    expire_after_us=st.integers(1, 40_000_000),
    seed=st.integers(0, 3),
)


@given(
    given=st.lists(orders, max_size=8, unique_by=lambda one: one.strategy_id),
    prices=st.lists(st.integers(90, 110), min_size=30, max_size=60),
    model=models,
    data=st.data(),
)
def test_what_becomes_of_an_order_does_not_depend_on_when_it_came_nor_on_a_restart(
    given: list[Order], prices: list[int], model: FillModel, data: st.DataObject
):
    ticks = [
        (number, tick(price, seconds=number, quantity=number % 7))
        for number, price in enumerate(prices)
    ]

    def run(arrivals: list[int], restart: int | None) -> dict[str, list[ExecutionReport]]:
        paper = PaperVenue(topic_id=TOPIC, model=model)
        reports: dict[str, list[ExecutionReport]] = {}
        for number in range(len(ticks) + 1):
            if number == restart:
                changes = paper.changes()
                paper = PaperVenue(topic_id=TOPIC, model=model)
                paper.restore(changes.open, changes.seen.written)
            for one, arrival in zip(given, arrivals, strict=True):
                if arrival == number:
                    missed = [t for t in ticks[:number] if t[0] > one.tick_offset]
                    said = [*paper.on_order(one), *paper.on_missed(one, missed)]
                    reports.setdefault(one.client_order_id, []).extend(said)
            for one in paper.on_tick(*ticks[number]) if number < len(ticks) else ():
                reports.setdefault(one.client_order_id, []).append(one)
        return reports

    anywhere = st.integers(0, len(ticks))
    at_once = run([one.tick_offset + 1 for one in given], None)
    late = data.draw(st.lists(anywhere, min_size=len(given), max_size=len(given)))
    assert run(late, data.draw(anywhere)) == at_once


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("0", Markup()),
        ("2 ticks", Markup(ticks=Decimal(2))),
        ("1tick", Markup(ticks=Decimal(1))),
        (" 1.5 bps ", Markup(bps=Decimal("1.5"))),
    ],
)
def test_a_markup_is_read_as_people_write_it(text: str, markup: Markup):
    assert Markup.parse(text) == markup


@pytest.mark.parametrize("text", ["", "5", "-1 bps", "1 percent", "1e3 bps", "ticks"])
def test_a_markup_of_another_form_is_refused(text: str):
    with pytest.raises(ConfigurationError, match="is not like '2 ticks'"):
        Markup.parse(text)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"spread": Markup(ticks=Decimal(1))}, "needs a tick size: set PANDA_PAPER_TICK_SIZE"),
        ({"tick_size": Decimal(0)}, "the tick size 0 is not above 0"),
        ({"tick_size": Decimal("1E-9")}, "the tick size: 1E-9 has more than 8 decimal places"),
        ({"tick_size": Decimal(10**11)}, "the tick size: 100000000000 has more than 18 digits"),
        ({"volume_limit": Decimal("1.5")}, "the volume limit 1.5 is not above 0"),
        ({"slippage_probability": 1.5}, "probability 1.5 is not between 0 and 1"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(model: dict[str, Any], reason: str):
    with pytest.raises(ConfigurationError, match=reason):
        FillModel(**model)


class Halting:
    """The trading states of accounts, as a test sets them."""

    def __init__(self) -> None:
        self.states: dict[str, TradingState] = {}

    def __call__(self, account: str) -> TradingState:
        return self.states.get(account, TradingState.ACTIVE)


def halting_venue(**model: Any) -> tuple[PaperVenue, Halting]:
    states = Halting()
    paper = PaperVenue(topic_id=TOPIC, model=FillModel(**model), trading_state=states)
    return paper, states


def test_ticks_pass_by_the_orders_of_an_account_that_is_halted():
    paper, states = halting_venue()
    paper.on_order(order())
    states.states[ORDER.account] = TradingState.HALTED
    assert list(paper.on_tick(AT + 1, tick("101", seconds=1))) == []
    assert list(paper.on_tick(AT + 2, tick("102", seconds=2))) == []
    assert paper.open_orders == 1
    states.states[ORDER.account] = TradingState.ACTIVE
    # The third tick behind its own is the first that it can have.
    (fill,) = paper.on_tick(AT + 3, tick("103", seconds=3))
    assert (fill.status, fill.last_price, fill.last_quantity) == (
        OrderStatus.FILLED,
        Decimal(103),
        10,
    )


def test_reducing_only_does_not_keep_an_order_that_has_passed_from_being_filled():
    paper, states = halting_venue()
    states.states[ORDER.account] = TradingState.REDUCING
    paper.on_order(order())
    (fill,) = paper.on_tick(AT + 1, tick("101", seconds=1))
    assert fill.status is OrderStatus.FILLED


def test_other_accounts_than_the_halted_one_are_filled():
    paper, states = halting_venue()
    states.states[ORDER.account] = TradingState.HALTED
    paper.on_order(order())
    paper.on_order(order(client_order_id="OTHER", account="other"))
    (fill,) = paper.on_tick(AT + 1, tick("101", seconds=1))
    assert fill.account == "other"


def test_an_order_that_was_filled_in_part_waits_with_the_rest_while_halted():
    paper, states = halting_venue(volume_limit=Decimal(1))
    paper.on_order(order())
    (first,) = paper.on_tick(AT + 1, tick("101", seconds=1, quantity=4))
    states.states[ORDER.account] = TradingState.HALTED
    assert list(paper.on_tick(AT + 2, tick("102", seconds=2, quantity=4))) == []
    states.states[ORDER.account] = TradingState.ACTIVE
    (second,) = paper.on_tick(AT + 3, tick("103", seconds=3, quantity=100))
    assert [(one.last_quantity, one.last_price) for one in (first, second)] == [
        (4, Decimal(101)),
        (6, Decimal(103)),
    ]


def test_a_halted_order_expires_as_any_other():
    paper, states = halting_venue(expire_after_us=2_000_000)
    states.states[ORDER.account] = TradingState.HALTED
    paper.on_order(order())
    assert list(paper.on_tick(AT + 1, tick("101", seconds=2))) == []
    (ended,) = paper.on_tick(AT + 2, tick("102", seconds=3))
    assert (ended.status, ended.cumulative_quantity) == (OrderStatus.EXPIRED, 0)


def test_ticks_that_a_late_order_missed_do_not_fill_it_while_halted():
    paper, states = halting_venue()
    states.states[ORDER.account] = TradingState.HALTED
    paper.on_order(order())
    missed = [(AT + 1, tick("101", seconds=1)), (AT + 2, tick("102", seconds=2))]
    assert list(paper.on_missed(order(), missed)) == []
    states.states[ORDER.account] = TradingState.ACTIVE
    (fill,) = paper.on_tick(AT + 3, tick("103", seconds=3))
    assert fill.last_price == Decimal(103)
