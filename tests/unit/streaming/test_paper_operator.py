"""The paper venue between its topics: what it says hangs on what is recorded, not on timing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.brokers.paper.fills import FillModel
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.decisions import Decision
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, TradingState
from algo_panda.streaming.operator import Message, MessageHeaders, Start, latest
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.paper import PaperOperator
from algo_panda.streaming.operators.ports import SilentStageTelemetry
from algo_panda.streaming.state_codec import PaperStateCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.values import ORDER, OTHER_TOKEN, TOKEN, order, tick

CODECS = load_codecs()
STATES = PaperStateCodec(load_catalogue(), CODECS.paper_orders)
TOPIC_ID, PARTITION = ORDER.tick_topic_id, ORDER.tick_partition


@dataclass
class Record:
    """A message as the client library gives it."""

    name: str
    at: int
    bytes_of_key: bytes
    bytes_of_value: bytes

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return PARTITION

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return self.bytes_of_key

    def value(self) -> bytes:
        return self.bytes_of_value

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)

    def headers(self) -> MessageHeaders:
        return None


def ticks_topic(ticks: Iterable[MarketTick]) -> list[Record]:
    return [
        Record("ticks", at, instrument_key(one.instrument_token), CODECS.ticks.encode(one))
        for at, one in enumerate(ticks)
    ]


def order_record(at: int, one: Order) -> Record:
    key = instrument_key(one.instrument_token)
    return Record("paper-orders", at, key, CODECS.paper_orders.encode(one))


@dataclass
class Rig:
    """An operator at work on a topic of ticks, restarted on demand."""

    ticks: list[Record]
    kept: int = 32_768
    model: FillModel = field(default_factory=FillModel)
    first: int = 0
    halted: bool = False
    state: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    reports: list[ExecutionReport] = field(default_factory=list[ExecutionReport])
    reread: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def __post_init__(self) -> None:
        self.at = self.first
        self.start()

    def start(self) -> None:
        self.operator = PaperOperator(
            partition=PARTITION,
            topic_id=TOPIC_ID,
            venue=PaperVenue(
                topic_id=TOPIC_ID, model=self.model, trading_state=self._trading_state
            ),
            ticks=CODECS.ticks,
            orders=CODECS.paper_orders,
            executions=CODECS.executions,
            states=STATES,
            ticks_topic="ticks",
            executions_topic="executions",
            dead_letters=DeadLetterWriter(
                topics={}, telemetry=SilentStageTelemetry(), app_version="1"
            ),
            telemetry=SilentStageTelemetry(),
            reread=self._reread,
            pin_trading_states=lambda: 0,
            now_us=lambda: ORDER.event_time_us,
            ticks_kept=self.kept,
        )
        offsets = {"ticks": self.at, "paper-orders": 0}
        self.operator.restore(self.state, Start(offsets=offsets, is_settled=True))

    def _trading_state(self, account: str) -> TradingState:
        assert account == ORDER.account
        return TradingState.HALTED if self.halted else TradingState.ACTIVE

    def restart(self) -> None:
        """From what a checkpoint has."""
        changed = list(self.operator.changed())
        merged = {**self.state, **{r.key: r.value for r in changed if r.value is not None}}
        gone = {record.key for record in changed if record.value is None}
        self.state = {key: value for key, value in merged.items() if key not in gone}
        assert self.state.keys() >= latest(changed).keys()
        self.start()

    def pass_ticks(self, until: int) -> None:
        if until > self.at:
            self._take("ticks", self.ticks[self.at : until])
            self.at = until

    def give(self, *orders: Order) -> None:
        self._take("paper-orders", [order_record(n, one) for n, one in enumerate(orders)])

    def _take(self, topic: str, records: Sequence[Record]) -> None:
        for output in self.operator.process(topic, records):
            assert (output.topic, output.key) == ("executions", instrument_key(TOKEN))
            report = CODECS.executions.decode(output.value)
            assert report.decision == Decision(ORDER.event_time_us, 0)
            self.reports.append(report._replace(decision=None))

    def _reread(self, first: int, end: int) -> Iterable[Sequence[Message]]:
        self.reread.append((first, end))
        for at in range(first, end, 3):
            yield self.ticks[at : min(at + 3, end)]

    def by_order(self) -> dict[str, list[ExecutionReport]]:
        found: dict[str, list[ExecutionReport]] = {}
        for report in self.reports:
            found.setdefault(report.client_order_id, []).append(report)
        return found


def ordered_at(at: int, number: int = 1, **changes: Any) -> Order:
    return order(
        client_order_id=f"ORDER{at}-{number}",
        strategy_id=f"strategy {number}",
        tick_offset=at,
        event_time=tick(seconds=at).event_time,
        reference_price=Decimal(100 + at % 5),
        **changes,
    )


TICKS = [tick(100 + at % 5, seconds=at, quantity=4) for at in range(40)]


def test_an_order_that_comes_in_time_is_filled_when_its_tick_comes():
    rig = Rig(ticks_topic(TICKS))
    rig.pass_ticks(8)
    rig.give(ordered_at(7))
    assert [report.status for report in rig.reports] == [OrderStatus.ACCEPTED]
    rig.pass_ticks(20)
    assert [report.status for report in rig.reports] == [OrderStatus.ACCEPTED, OrderStatus.FILLED]
    assert rig.reports[-1].event_time == TICKS[8].event_time
    assert rig.reread == []


def test_an_order_that_comes_before_its_tick_was_seen_waits():
    rig = Rig(ticks_topic(TICKS))
    rig.give(ordered_at(7))
    rig.pass_ticks(20)
    assert rig.reports[-1].event_time == TICKS[8].event_time


def test_one_that_comes_late_is_filled_by_the_tick_that_it_missed():
    rig = Rig(ticks_topic(TICKS))
    rig.pass_ticks(40)
    rig.give(ordered_at(7))
    assert rig.reports[-1].event_time == TICKS[8].event_time
    assert rig.reread == []


def test_ticks_that_are_no_longer_at_hand_are_read_once_more_for_all_that_came_late():
    rig = Rig(ticks_topic(TICKS), kept=5)
    rig.pass_ticks(40)
    rig.give(ordered_at(20, 1), ordered_at(7, 2), ordered_at(36, 3))
    assert rig.reread == [(8, 40)]
    filled = {name: reports[-1].event_time for name, reports in rig.by_order().items()}
    assert filled == {
        "ORDER20-1": TICKS[21].event_time,
        "ORDER7-2": TICKS[8].event_time,
        "ORDER36-3": TICKS[37].event_time,
    }


def test_orders_of_an_instrument_that_ticks_seldom_share_what_is_read_once_more():
    seldom = [
        tick(100 + at, token=TOKEN if at % 200 == 0 else OTHER_TOKEN, seconds=at)
        for at in range(1_000)
    ]
    rig = Rig(ticks_topic(seldom), kept=20)
    rig.pass_ticks(1_000)
    for at in range(201, 241):
        rig.give(ordered_at(at, at))
    assert len(rig.reread) <= 3
    fills = [report for report in rig.reports if report.status is OrderStatus.FILLED]
    assert [fill.event_time for fill in fills] == [seldom[400].event_time] * 40


@pytest.mark.parametrize("kept", [1, 2, 5, 39])
@pytest.mark.parametrize("step", [1, 7, 11, -1])
def test_the_next_tick_fills_an_order_wherever_it_has_to_be_looked_for(kept: int, step: int):
    """In memory, in what was read for an order before, or in the topic."""
    rig = Rig(ticks_topic(TICKS), kept=kept)
    rig.pass_ticks(40)
    for at in [step * number % 39 for number in range(39)]:
        rig.give(ordered_at(at))
        assert rig.reports[-1].event_time == TICKS[at + 1].event_time


def test_a_worker_that_began_behind_the_tick_reads_it():
    rig = Rig(ticks_topic(TICKS), first=30)
    rig.give(ordered_at(7))
    assert rig.reread == [(8, 30)]
    assert rig.reports[-1].event_time == TICKS[8].event_time


def test_an_order_that_is_filled_in_part_by_what_it_missed_goes_on_with_what_comes():
    model = FillModel(volume_limit=Decimal(1))
    rig = Rig(ticks_topic(TICKS), kept=2, model=model)
    rig.pass_ticks(10)
    rig.give(ordered_at(7))
    rig.pass_ticks(40)
    fills = rig.reports[1:]
    assert [fill.last_quantity for fill in fills] == [4, 4, 2]
    assert [fill.event_time for fill in fills] == [TICKS[n].event_time for n in (8, 9, 10)]


def test_a_tick_that_is_none_or_has_another_key_fills_nothing():
    records = ticks_topic(TICKS)
    records[8].bytes_of_value = b"no tick"
    records[9].bytes_of_key = b"%d" % OTHER_TOKEN
    rig = Rig(records)
    rig.give(ordered_at(7))
    rig.pass_ticks(40)
    assert rig.reports[-1].event_time == TICKS[10].event_time


def test_an_order_whose_ticks_lie_in_another_partition_is_refused_and_told_why():
    rig = Rig(ticks_topic(TICKS))
    rig.give(ordered_at(7, tick_partition=PARTITION + 1))
    (ended,) = rig.reports
    assert ended.status is OrderStatus.REJECTED
    assert ended.reason == (
        f"ticks of instrument {TOKEN} are on partition {PARTITION + 1}, where its key does not"
        f" belong: publish them by murmur2 of the key, which gives partition {PARTITION}"
    )


@pytest.mark.parametrize("quantity", [4, 100])
def test_a_redelivered_order_says_nothing_again(quantity: int):
    model = FillModel(volume_limit=Decimal(1))
    rig = Rig(ticks_topic(TICKS), kept=2, model=model)
    rig.give(ordered_at(7, quantity=quantity))
    rig.pass_ticks(20)
    before = list(rig.reports)
    rig.give(ordered_at(7, quantity=quantity))
    assert rig.reports == before
    rig.restart()
    rig.give(ordered_at(7, quantity=quantity))
    assert rig.reports == before
    assert rig.reread == []


@given(
    offsets=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    kept=st.integers(1, 40),
    limit=st.none() | st.just(Decimal("0.5")),
    data=st.data(),
)
def test_reports_are_the_same_however_late_orders_come_and_wherever_it_is_restarted(
    offsets: list[int], kept: int, limit: Decimal | None, data: st.DataObject
):
    orders = [ordered_at(at, number) for number, at in enumerate(offsets)]
    model = FillModel(volume_limit=limit, latency_us=1_500_000)

    def run(arrivals: list[int], kept: int, restarts: set[int]) -> dict[str, Any]:
        rig = Rig(ticks_topic(TICKS), kept=kept, model=model)
        for until in range(len(TICKS) + 1):
            rig.pass_ticks(until)
            rig.give(*(one for one, at in zip(orders, arrivals, strict=True) if at == until))
            if until in restarts:
                rig.restart()
        return rig.by_order()

    places = st.integers(0, len(TICKS))
    late = data.draw(st.lists(places, min_size=len(orders), max_size=len(orders)))
    restarts = data.draw(st.sets(places, max_size=3))
    assert run(late, kept, restarts) == run(offsets, 32_768, set())


@pytest.mark.parametrize("count", [0, 3, 9])
def test_the_changelog_holds_open_orders_and_forgets_those_that_ended(count: int):
    rig = Rig(ticks_topic(TICKS))
    orders = [ordered_at(at, at) for at in range(count)]
    rig.give(*orders)
    rig.restart()
    assert sum(key.startswith(b"order|") for key in rig.state) == count
    rig.pass_ticks(40)
    rig.restart()
    assert not any(key.startswith(b"order|") for key in rig.state)
    seen = [STATES.decode(value) for key, value in rig.state.items() if key.startswith(b"seen|")]
    assert sorted(name for one in seen for name in one.segment.ids) == sorted(
        one.client_order_id for one in orders
    )


@pytest.mark.parametrize("kept", [5, 32_768], ids=["read once more", "at hand"])
@pytest.mark.parametrize("restarts", [False, True])
def test_while_halted_no_tick_fills_an_order_early_or_late(kept: int, restarts: bool):
    rig = Rig(ticks_topic(TICKS), kept=kept)
    rig.give(ordered_at(10, 1))
    rig.pass_ticks(11)
    rig.halted = True
    rig.pass_ticks(20)
    rig.give(ordered_at(7, 2), ordered_at(12, 3))  # what they missed goes by, too
    rig.pass_ticks(25)
    if restarts:
        rig.restart()
    assert {report.status for report in rig.reports} == {OrderStatus.ACCEPTED}
    rig.halted = False
    rig.pass_ticks(40)
    filled = {name: reports[-1].event_time for name, reports in rig.by_order().items()}
    assert filled == dict.fromkeys(["ORDER10-1", "ORDER7-2", "ORDER12-3"], TICKS[25].event_time)


@given(
    offsets=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    halts=st.lists(st.booleans(), min_size=len(TICKS), max_size=len(TICKS)),
    kept=st.integers(1, 40),
)
def test_an_order_is_filled_by_the_first_tick_behind_its_own_that_comes_while_active(
    offsets: list[int], halts: list[bool], kept: int
):
    rig = Rig(ticks_topic(TICKS), kept=kept)
    orders = [ordered_at(at, number) for number, at in enumerate(offsets)]
    for number, halted in enumerate(halts):
        rig.halted = halted
        rig.give(*(one for one in orders if one.tick_offset == number - 1))
        rig.pass_ticks(number + 1)
    expected = {
        one.client_order_id: next(
            (TICKS[n].event_time for n in range(at + 1, len(TICKS)) if not halts[n]), None
        )
        for one, at in zip(orders, offsets, strict=True)
    }
    found = {
        name: reports[-1].event_time if len(reports) > 1 else None
        for name, reports in rig.by_order().items()
    }
    assert found == expected
