"""Duplicates and ticks out of order: counted always, dropped where that is the policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.runner.arrival import ArrivalPolicy, TickPolicy
from tests.unit.fakes.processors import BarReader, HistoryReader, Summing
from tests.unit.fakes.rig import Rig, start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config, tick
from tests.unit.fakes.worker import Worker

BOTH = (TOKEN, OTHER_TOKEN)
PROCESSORS = {"summing": Summing, "reader": lambda: HistoryReader(3), "bars": BarReader}
DROP_DUPLICATES = ArrivalPolicy(duplicates=TickPolicy.DROP)
DROP_OLD = ArrivalPolicy(out_of_order=TickPolicy.DROP)
POLICIES = [
    ArrivalPolicy(),
    DROP_DUPLICATES,
    DROP_OLD,
    ArrivalPolicy(duplicates=TickPolicy.DROP, out_of_order=TickPolicy.DROP),
]


def reader(policy: ArrivalPolicy | None = None) -> Rig:
    return start(config("reader", instruments=BOTH), processors=PROCESSORS, arrival=policy)


def counted(rig: Rig) -> list[tuple[str, bool]]:
    return rig.telemetry.of("irregular_tick")


def test_by_default_odd_ticks_are_counted_and_processed():
    rig = reader()
    said = rig.feed(tick(5, seconds=1), tick(5, seconds=1), tick(6, seconds=0))
    assert [len(one) for one in said] == [1, 1, 1]
    assert counted(rig) == [("duplicate", False), ("out_of_order", False)]


def test_a_duplicate_is_the_same_in_all_but_the_time_it_was_received():
    rig = reader()
    first = tick(5, seconds=1)._replace(volume_traded=7, received_time_us=1)
    rig.feed(first, first._replace(received_time_us=2))
    assert counted(rig) == [("duplicate", False)]
    for number, change in enumerate(
        ({"price_raw": 1}, {"last_traded_quantity": 9}, {"volume_traded": 8}), start=2
    ):
        rig.feed(first, first._replace(**change), first_offset=10 * number)
    assert counted(rig) == [("duplicate", False)] * 2  # `first` itself came again, once


def test_equal_times_are_in_order_and_instruments_have_times_of_their_own():
    rig = reader()
    rig.feed(
        tick(5, seconds=9),
        tick(6, seconds=9),
        tick(5, seconds=1, token=OTHER_TOKEN),
        tick(7, seconds=9),
    )
    assert counted(rig) == []


def test_what_is_older_is_measured_by_the_newest_seen_not_by_the_one_before():
    rig = reader()
    rig.feed(tick(5, seconds=9), tick(6, seconds=3), tick(7, seconds=4))
    assert counted(rig) == [("out_of_order", False)] * 2


def test_a_repetition_of_an_old_tick_is_both():
    rig = reader(DROP_OLD)
    rig.feed(tick(5, seconds=9), tick(6, seconds=3), tick(6, seconds=3))
    assert counted(rig) == [("out_of_order", True), ("duplicate", True), ("out_of_order", True)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (DROP_DUPLICATES, [[""], [], ["5"], ["5,6"]]),
        (DROP_OLD, [[""], ["5"], [], ["5,5"]]),
    ],
)
def test_a_dropped_tick_reaches_no_strategy_and_no_history(policy, expected):
    rig = reader(policy)
    ticks = (tick(5, seconds=1), tick(5, seconds=1), tick(6, seconds=0), tick(7, seconds=2))
    assert rig.reasons(*ticks) == expected


def test_a_dropped_tick_reaches_no_bar():
    rig = start(config("bars"), processors=PROCESSORS, arrival=DROP_DUPLICATES)
    rig.feed(tick(5, seconds=0), tick(5, seconds=0), tick(6, seconds=70))
    assert rig.made[-1].bars == ["09:15:00 5 5 5 5 1"]


def test_a_dropped_tick_is_remembered_as_the_one_before():
    rig = reader(DROP_OLD)
    rig.feed(tick(5, seconds=9), tick(6, seconds=3))
    (record,) = rig.partition.changed_records()
    assert record.last_tick == tick(6, seconds=3)
    assert record.newest_event_time_us == tick(5, seconds=9).event_time_us
    assert record.last_offset == 1
    assert record.history == (tick(5, seconds=9),)


def test_a_record_that_does_not_know_the_tick_before_takes_the_next_for_regular():
    rig = reader()
    rig.feed(tick(5, seconds=9))
    (record,) = rig.partition.changed_records()
    again = reader(DROP_DUPLICATES)
    again.partition.restore([record._replace(last_tick=None, newest_event_time_us=0)])
    again.feed(tick(5, seconds=9), first_offset=1)
    assert counted(again) == []


def test_ticks_that_no_strategy_wants_are_not_looked_at():
    rig = start(processors={})
    rig.feed(tick(5), tick(5))
    assert counted(rig) == []


ticks = st.builds(
    tick,
    st.integers(1, 2),
    token=st.sampled_from(BOTH),
    seconds=st.integers(0, 5),
    quantity=st.integers(0, 1),
)


@given(
    st.sampled_from(POLICIES),
    st.lists(st.tuples(ticks, st.booleans(), st.booleans()), max_size=40),
)
def test_a_restart_and_a_redelivery_decide_as_was_decided(policy, life):
    configs = [config(kind, number=n, instruments=BOTH) for n, kind in enumerate(PROCESSORS, 1)]
    whole = start(*configs, processors=PROCESSORS, arrival=policy)
    expected = whole.feed(*(one for one, _, _ in life))
    worker = Worker(*configs, processors=PROCESSORS, arrival=policy)
    for offset, said in worker.live(life):
        assert list(said) == list(expected[offset])


@given(st.lists(ticks, max_size=40))
def test_without_the_odd_ones_strategies_say_what_they_say_where_those_are_dropped(stream):
    configs = [config(kind, number=n, instruments=BOTH) for n, kind in enumerate(PROCESSORS, 1)]
    rig = start(*configs, processors=PROCESSORS, arrival=POLICIES[3])
    said = rig.feed(*stream)
    kept = [offset for offset, one in enumerate(said) if one]
    newest: dict[int, int] = {}
    plain = start(*configs, processors=PROCESSORS)
    for offset in kept:
        one = stream[offset]
        assert one.event_time_us >= newest.get(one.instrument_token, 0)
        newest[one.instrument_token] = one.event_time_us
        assert list(plain.partition.process(one, offset)) == list(said[offset])
