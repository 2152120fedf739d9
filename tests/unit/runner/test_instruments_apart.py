"""One processor per strategy and instrument; a history of one's own; bars of one's own."""

from typing import Any

import pytest

from algo_panda.domain.market import Bar
from algo_panda.domain.signals import TradingSignal
from tests.unit.fakes.processors import BarReader, HistoryReader, Quiet, Summing
from tests.unit.fakes.rig import Rig, start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config, tick

BOTH = (TOKEN, OTHER_TOKEN)


def test_two_interleaved_instruments_never_share_state():
    rig = start(config("summing", instruments=BOTH), processors={"summing": Summing})
    ticks = [tick(price, token=BOTH[price % 2]) for price in (2, 3, 4, 4, 5, 6, 7)]
    mixed = [said for (said,) in rig.reasons(*ticks)]
    for token in BOTH:
        alone = start(config("summing", instruments=BOTH), processors={"summing": Summing})
        own = [one for one in ticks if one.instrument_token == token]
        expected = [said for (said,) in alone.reasons(*own)]
        assert expected == [
            said for said, one in zip(mixed, ticks, strict=True) if one.instrument_token == token
        ]
    assert [one.count for one in rig.made] == [4, 3]


def test_two_strategies_of_one_type_on_one_instrument_share_nothing_either():
    rig = start(
        config("summing", number=1), config("summing", number=2), processors={"summing": Summing}
    )
    rig.feed(tick(), tick())
    assert [one.count for one in rig.made] == [2, 2]


def test_an_instrument_that_nobody_wants_is_passed_over():
    rig = start(config("summing"), processors={"summing": Summing})
    assert rig.feed(tick(token=OTHER_TOKEN)) == [()]
    assert list(rig.partition.changed_records()) == []


def test_an_instrument_is_known_by_its_own_key_only():
    rig = start(config("summing", instruments=BOTH), processors={"summing": Summing})
    rig.feed(tick(), tick(token=OTHER_TOKEN))
    key, other_key = (b"%d" % token for token in BOTH)
    found = rig.partition.known(key, TOKEN)
    assert found is not None
    assert found.token == TOKEN
    assert rig.partition.known(other_key, TOKEN) is None
    assert rig.partition.known(None, TOKEN) is None
    assert rig.partition.known(b"3", TOKEN) is None


def readers(*sizes: int) -> Rig:
    return start(
        *(config(f"reader{size}", number=number) for number, size in enumerate(sizes, start=1)),
        processors={f"reader{size}": lambda size=size: HistoryReader(size) for size in sizes},
    )


@pytest.mark.parametrize("size", [0, 1, 3, 100])
def test_a_history_is_the_last_ticks_before_this_one_oldest_first(size):
    prices = list(range(1, 8))
    said = readers(size).reasons(*map(tick, prices))
    for at, (history,) in enumerate(said):
        assert history == ",".join(map(str, prices[max(0, at - size) : at]))


@pytest.mark.parametrize("neighbours", [(50,), (0,), (2,), (50, 2, 0)])
def test_a_neighbour_changes_nothing_of_what_a_strategy_sees(neighbours):
    ticks = [tick(price) for price in range(1, 150)]
    alone = [said[0] for said in readers(5).reasons(*ticks)]
    beside = [said[0] for said in readers(5, *neighbours).reasons(*ticks)]
    assert beside == alone


def test_a_processor_that_says_nothing_of_it_sees_a_hundred_ticks():
    rig = start(config("quiet"), processors={"quiet": Quiet})
    rig.feed(*(tick(price) for price in range(1, 251)))
    assert [len(history) for history in rig.made[0].histories[99:103]] == [99, 100, 100, 100]
    assert list(rig.made[0].histories[-1]) == [tick(price) for price in range(150, 250)]


def test_the_history_of_one_instrument_has_no_tick_of_another():
    rig = start(config("reader", instruments=BOTH), processors={"reader": lambda: HistoryReader(9)})
    said = rig.reasons(tick(1), tick(2, token=OTHER_TOKEN), tick(3), tick(4, token=OTHER_TOKEN))
    assert said == [[""], [""], ["1"], ["2"]]


def test_a_history_is_read_only_and_stays_as_it_was():
    rig = start(config("quiet"), processors={"quiet": Quiet})
    rig.feed(tick(1), tick(2), tick(3))
    kept: Any = rig.made[0].histories[2]
    with pytest.raises(TypeError):
        kept[0] = tick(9)
    rig.feed(*(tick(price) for price in range(4, 400)))
    assert list(kept) == [tick(1), tick(2)]


def test_what_came_before_a_strategy_was_on_the_instrument_is_not_its_history():
    processors = {"long": lambda: HistoryReader(50), "new": lambda: HistoryReader(3)}
    long, new = config("long", number=1), config("new", number=2)
    before = start(long, processors=processors)
    before.feed(*(tick(price) for price in range(1, 11)))
    after = start(long, new, processors=processors)
    after.partition.restore(before.partition.changed_records())
    said = after.reasons(tick(11), tick(12), tick(13), tick(14), tick(15), first_offset=10)
    assert [one[1] for one in said] == ["", "11", "11,12", "11,12,13", "12,13,14"]
    assert said[1][0] == ",".join(map(str, range(1, 12)))


def test_a_tick_on_which_a_strategy_raised_is_in_its_history_all_the_same():
    class Choosy(HistoryReader):
        def process_tick(self, current, history, /):
            if current.last_price == 2:
                raise RuntimeError("not that one")
            return super().process_tick(current, history)

    rig = start(config("choosy"), processors={"choosy": lambda: Choosy(5)})
    assert rig.reasons(tick(1), tick(2), tick(3)) == [[""], [], ["1,2"]]


def test_a_bar_comes_before_the_tick_that_closed_it():
    order: list[str] = []

    class Both(Quiet):
        def on_bar(self, bar: Bar, /) -> None:
            order.append(f"bar {bar.close}")

        def process_tick(self, current, history, /):
            order.append(f"tick {current.last_price}")

    rig = start(config("both", parameters={"bar_seconds": 10}), processors={"both": Both})
    rig.feed(tick(1, seconds=0), tick(2, seconds=9), tick(3, seconds=10), tick(4, seconds=35))
    assert order == ["tick 1", "tick 2", "bar 2", "tick 3", "bar 3", "tick 4"]


def test_bars_are_of_the_strategys_own_interval_and_instrument():
    rig = start(
        config("bars", number=1, instruments=BOTH, parameters={"bar_seconds": 5}),
        config("bars", number=2, parameters={"bar_seconds": 20}),
        processors={"bars": BarReader},
    )
    rig.feed(
        tick(10, seconds=0, quantity=3),
        tick(99, seconds=1, token=OTHER_TOKEN),
        tick(14, seconds=2, quantity=4),
        tick(9, seconds=3, quantity=0),
        tick(11, seconds=6),
        tick(12, seconds=20),
    )
    short, long, other = rig.made
    assert short.bars == ["09:15:00 10 14 9 9 7", "09:15:05 11 11 11 11 1"]
    assert long.bars == ["09:15:00 10 14 9 11 8"]
    assert other.bars == []


def test_a_late_tick_reopens_no_bar_and_is_counted_and_seen():
    rig = start(
        config("bars", number=1, parameters={"bar_seconds": 10}),
        config("quiet", number=2),
        processors={"bars": BarReader, "quiet": Quiet},
    )
    ticks = [tick(1, seconds=5), tick(2, seconds=15), tick(3, seconds=6), tick(4, seconds=25)]
    said = rig.reasons(*ticks)
    assert [len(one) for one in said] == [1, 1, 1, 1]
    assert rig.made[0].bars == ["09:15:00 1 1 1 1 1", "09:15:10 2 2 2 2 1"]
    assert rig.telemetry.of("late_tick") == ["bars"]
    assert rig.made[1].seen == ticks


def test_a_partition_that_comes_back_has_a_processor_of_its_own():
    """The one that was made at the start has taken ticks that others have processed since."""
    rig = start(config("summing"), processors={"summing": Summing})
    assert rig.reasons(tick(1)) == [[f"1: {10**8}"]]
    again = rig.runner.partition(topic_id="topic-a", partition=3)
    (said,) = again.process(tick(5), 0)
    assert isinstance(said, TradingSignal)
    assert said.reasoning == f"1: {5 * 10**8}"
