"""A runner restored from its records at any tick goes on as if nothing had happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection
from tests.unit.fakes.processors import (
    BarReader,
    HistoryReader,
    RaisingBelow,
    Summing,
    WarmingUp,
)
from tests.unit.fakes.rig import start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config, tick
from tests.unit.fakes.worker import Worker

BOTH = (TOKEN, OTHER_TOKEN)
PROCESSORS = {
    "summing": Summing,
    "reader2": lambda: HistoryReader(2),
    "reader7": lambda: HistoryReader(7),
    "bars": BarReader,
    "warming": lambda: WarmingUp(3),
    "fragile": lambda: RaisingBelow(30),
}
ALL = tuple(
    config(strategy_type, number=number, instruments=BOTH, parameters={"bar_seconds": 10})
    for number, strategy_type in enumerate(PROCESSORS, start=1)
)

Said = Sequence[TradingSignal | Rejection]


@dataclass(frozen=True)
class Step:
    """A tick, and what happens after it."""

    tick: MarketTick
    checkpoint: bool
    crash: bool


steps = st.builds(
    Step,
    tick=st.builds(
        tick,
        st.integers(min_value=1, max_value=99),
        token=st.sampled_from(BOTH),
        seconds=st.integers(min_value=0, max_value=60),
        quantity=st.integers(min_value=0, max_value=5),
    ),
    checkpoint=st.booleans(),
    crash=st.booleans(),
)


@given(
    st.lists(steps, max_size=40),
    st.lists(st.sampled_from(ALL), min_size=1, max_size=6, unique_by=lambda one: one.id),
)
def test_whatever_is_checkpointed_and_lost_every_tick_gives_what_it_gave_without(life, configs):
    expected = start(*configs, processors=PROCESSORS, quarantine_after=3).feed(
        *(step.tick for step in life)
    )
    worker = Worker(*configs, processors=PROCESSORS)
    for offset, said in worker.live([(s.tick, s.checkpoint, s.crash) for s in life]):
        assert list(said) == list(expected[offset])


@given(st.lists(steps, max_size=30))
def test_a_restored_partition_gives_the_records_it_was_restored_from(life):
    rig = start(*ALL, processors=PROCESSORS, quarantine_after=3)
    rig.feed(*(step.tick for step in life))
    records = list(rig.partition.changed_records())
    again = start(*ALL, processors=PROCESSORS, quarantine_after=3)
    again.partition.restore(records)
    assert list(again.partition.changed_records()) == []
    final = {one.instrument_token: tick(50, token=one.instrument_token) for one in records}
    rig.feed(*final.values(), first_offset=len(life))
    again.feed(*final.values(), first_offset=len(life))
    assert list(again.partition.changed_records()) == list(rig.partition.changed_records())


@given(st.lists(steps, max_size=20), st.lists(steps, max_size=20))
def test_records_taken_while_ticks_go_on_are_those_of_the_moment_they_were_asked_for(life, later):
    at_once = start(*ALL, processors=PROCESSORS, quarantine_after=3)
    meanwhile = start(*ALL, processors=PROCESSORS, quarantine_after=3)
    for rig in (at_once, meanwhile):
        rig.feed(*(step.tick for step in life))
    expected = list(at_once.partition.changed_records())
    at_once.feed(*(step.tick for step in later), first_offset=len(life))
    due, taken = meanwhile.partition.changed_records(), []
    for offset, step in enumerate(later, start=len(life)):
        meanwhile.feed(step.tick, first_offset=offset)
        if step.checkpoint:
            taken.extend(islice(due, 1))
    taken.extend(due)
    assert taken == expected
    assert list(meanwhile.partition.changed_records()) == list(at_once.partition.changed_records())


def test_only_instruments_that_had_a_tick_are_written_down_and_once():
    rig = start(*ALL, processors=PROCESSORS)
    rig.feed(tick(50), tick(50, token=OTHER_TOKEN), tick(60))
    both = list(rig.partition.changed_records())
    assert [(one.instrument_token, one.last_offset) for one in both] == [
        (TOKEN, 2),
        (OTHER_TOKEN, 1),
    ]
    assert list(rig.partition.changed_records()) == []
    rig.feed(tick(70, token=OTHER_TOKEN), first_offset=3)
    (one,) = rig.partition.changed_records()
    assert (one.instrument_token, one.last_offset) == (OTHER_TOKEN, 3)


def test_a_record_is_a_value_that_later_ticks_do_not_change():
    rig = start(*ALL, processors=PROCESSORS)
    rig.feed(tick(50), tick(60))
    (record,) = rig.partition.changed_records()
    before = record._replace()
    rig.feed(*(tick(price) for price in range(40, 90)), first_offset=2)
    assert record == before
    assert record.history == (tick(50), tick(60))
