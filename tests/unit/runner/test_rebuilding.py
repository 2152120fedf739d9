"""Processors without a snapshot are rebuilt from recorded ticks, and go on as those before them."""

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.money import plain
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.status import StrategyState
from algo_panda.runner import rebuild
from algo_panda.runner.arrival import ArrivalPolicy, TickPolicy
from algo_panda.runner.state import InstrumentRecord, Mark
from tests.unit.fakes.processors import HistoryReader, Summing, WarmingUp, said
from tests.unit.fakes.rig import Rig, start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, buy, config, tick
from tests.unit.fakes.worker import Worker, restore

BOTH = (TOKEN, OTHER_TOKEN)


class Remembering:
    """Remembers all there ever was, history and bars included. Cannot bear the price 13."""

    history_size = 2

    def __init__(self) -> None:
        self.digest = 0
        self.seen: list[MarketTick] = []
        self.asked = 0

    def on_bar(self, bar: Bar, /) -> None:
        self._stir(plain(bar.open), plain(bar.close), bar.volume, bar.tick_count)

    def process_tick(
        self, current: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self.seen.append(current)
        self._stir(current.price_raw, said(history))
        if plain(current.last_price) == "13":
            raise RuntimeError("unlucky")
        return buy(price=current.last_price, reasoning=str(self.digest))

    def _stir(self, *things: object) -> None:
        self.digest = (self.digest * 31 + sum(repr(things).encode())) % 10**12


class Windowed:
    """Knows the last ticks only, their histories, and the bars that they closed."""

    history_size = 2

    def __init__(self, size: int) -> None:
        self.warmup_ticks = size
        self.window: deque[str] = deque(maxlen=size)
        self.closed = ""
        self.asked = 0

    def on_bar(self, bar: Bar, /) -> None:
        self.closed = f" {bar.tick_count} ticks {plain(bar.open)} to {plain(bar.close)}"

    def process_tick(
        self, current: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self.asked += 1
        self.window.append(f"{plain(current.last_price)} after {said(history)}{self.closed}")
        self.closed = ""
        return buy(price=current.last_price, reasoning="; ".join(self.window))


class Warmed(WarmingUp):
    """Wants more than it is handed as history."""

    def __init__(self, history_size: int, warmup_ticks: int) -> None:
        super().__init__(history_size)
        self.warmup_ticks = warmup_ticks
        self.window = deque(maxlen=warmup_ticks)


class Fickle(Summing):
    """Has a snapshot, and has forgotten how to read it."""

    def restore(self, state: bytes, /) -> None:
        self.count = 10**6
        raise ValueError("of another version")


PROCESSORS: Mapping[str, Any] = {
    "remembering": Remembering,
    "windowed1": lambda: Windowed(1),
    "windowed5": lambda: Windowed(5),
    "warmed": lambda: Warmed(2, 4),
    "warming": lambda: WarmingUp(3),
    "reader": lambda: HistoryReader(3),
    "summing": Summing,
    "fickle": Fickle,
}
ALL = tuple(
    config(kind, number=number, instruments=BOTH, parameters={"bar_seconds": 10})
    for number, kind in enumerate(PROCESSORS, start=1)
)
DROP = TickPolicy.DROP
POLICIES = [
    ArrivalPolicy(),
    ArrivalPolicy(duplicates=DROP),
    ArrivalPolicy(out_of_order=DROP),
    ArrivalPolicy(duplicates=DROP, out_of_order=DROP),
]

ticks = st.builds(
    tick,
    st.integers(11, 14),
    token=st.sampled_from(BOTH),
    seconds=st.integers(0, 60),
    quantity=st.integers(0, 1),
)


@given(
    st.lists(st.tuples(ticks, st.booleans(), st.booleans()), max_size=50),
    st.lists(st.sampled_from(ALL), min_size=1, max_size=4, unique_by=lambda one: one.id),
    st.sampled_from(POLICIES),
    st.integers(2, 5),
    st.sampled_from([1, 10, 100]),
)
def test_rebuilt_at_any_tick_they_go_on_as_without_an_interruption(
    life, configs, policy, limit, stretch
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuild, "_SHORTEST_STRETCH", stretch)
        live(life, configs, {"arrival": policy, "quarantine_after": limit})


def live(
    life: Sequence[tuple[MarketTick, bool, bool]],
    configs: Sequence[StrategyConfig],
    options: Mapping[str, Any],
) -> None:
    """Checkpoints and crashes as ``life`` has them behind its ticks, beside a whole run."""
    whole = start(*configs, processors=PROCESSORS, **options)
    expected = whole.feed(*(one for one, _, _ in life))
    worker = Worker(*configs, processors=PROCESSORS, **options)
    for offset, outcomes in worker.live(life):
        assert list(outcomes) == list(expected[offset])
        assert worker.rig.status.in_state(StrategyState.COLD) == []
    assert worker.rig.status.in_state(StrategyState.COLD) == []
    assert worker.everything() == {
        one.instrument_token: one for one in whole.partition.changed_records()
    }


def test_over_many_ticks_a_bounded_past_is_read_and_no_more():
    random = Random(7)
    life = [
        tick(random.randint(1, 99), seconds=at / 3, token=random.choice(BOTH)) for at in range(2000)
    ]
    # A bar of 180 ticks each: longer than from one mark to the next.
    one = config("windowed5", instruments=BOTH, parameters={"bar_seconds": 120})
    whole = start(one, processors=PROCESSORS)
    expected = whole.feed(*life)
    for cut in (1, 5, 99, 183, 250, 543, 903, 1263, 1999):  # some right behind a bar
        before = start(one, processors=PROCESSORS)
        before.feed(*life[:cut])
        after = start(one, processors=PROCESSORS)
        after.partition.restore(before.partition.changed_records())
        span = after.partition.needs_ticks()
        assert span is not None
        assert cut - 500 <= span.first < span.end <= cut
        after.partition.rebuild(enumerate(life[: span.end]))
        after.partition.rebuilt()
        assert after.feed(*life[cut:], first_offset=cut) == expected[cut:]
        assert all(made.asked <= 5 + 2000 - cut for made in after.made)


def reborn(
    before: Rig,
    config_after: StrategyConfig,
    log: Iterable[MarketTick],
    processors: Mapping[str, Any] = PROCESSORS,
    start_offset: int = 0,
    change: Any = lambda record: record,
) -> Rig:
    """A new runner with the records of ``before``, and what is retained of ``log``."""
    after = start(config_after, processors=processors)
    records = [change(record) for record in before.partition.changed_records()]
    restore(after.partition, records, dict(enumerate(log)), start_offset)
    return after


def ran(strategy: StrategyConfig, *life: MarketTick) -> Rig:
    rig = start(strategy, processors=PROCESSORS)
    rig.feed(*life)
    return rig


LIFE = tuple(tick(price, seconds=price) for price in range(20, 40))


def test_what_is_said_in_a_replay_and_what_fails_there_counts_no_second_time():
    life = (*LIFE, tick(13, seconds=50), tick(13, seconds=51))
    rig = reborn(ran(config("remembering"), *life), config("remembering"), life)
    assert rig.telemetry.heard == [("strategy_registered", ("remembering", False))]
    assert rig.made[0].seen == list(life)
    (record,) = start_over(rig, tick(13, seconds=52), len(life))
    assert record.strategies[0].failures == 3


def start_over(rig: Rig, one: MarketTick, offset: int) -> list[InstrumentRecord]:
    rig.feed(one, first_offset=offset)
    return list(rig.partition.changed_records())


def test_what_was_dropped_is_dropped_in_a_replay():
    """The third tick is after the second, and before the newest."""
    life = [tick(price, seconds=at) for price, at in ((20, 10), (21, 5), (22, 7), (23, 11))]
    policy = ArrivalPolicy(out_of_order=DROP)
    before = start(config("remembering"), processors=PROCESSORS, arrival=policy)
    before.feed(*life)
    assert before.made[0].seen == [life[0], life[3]]
    after = start(config("remembering"), processors=PROCESSORS, arrival=policy)
    restore(after.partition, before.partition.changed_records(), dict(enumerate(life)))
    assert after.made[0].seen == [life[0], life[3]]


def test_a_quarantined_strategy_is_not_replayed():
    bad = tuple(tick(13, seconds=at) for at in range(10))
    rig = reborn(ran(config("remembering"), *bad), config("remembering"), bad)
    assert rig.made[0].seen == []
    assert rig.telemetry.of("strategy_failed") == []
    assert len(rig.status.in_state(StrategyState.QUARANTINED)) == 1


def test_one_that_keeps_nothing_asks_for_nothing():
    class Plain(HistoryReader):
        warmup_ticks = 0

    processors = {"plain": lambda: Plain(3)}
    before = start(config("plain"), processors=processors)
    before.feed(*LIFE)
    (record,) = before.partition.changed_records()
    assert record.strategies[0].marks == ()
    after = start(config("plain"), processors=processors)
    after.partition.restore([record])
    assert after.partition.needs_ticks() is None
    assert after.reasons(tick(50), first_offset=20) == [["37,38,39"]]


def test_ticks_from_before_the_strategy_began_are_not_replayed():
    neighbour, late = config("summing", number=1), config("remembering", number=2)
    first = start(neighbour, processors=PROCESSORS)
    first.feed(*LIFE[:5])
    second = start(neighbour, late, processors=PROCESSORS)
    second.partition.restore(first.partition.changed_records())
    second.partition.rebuilt()
    second.feed(*LIFE[5:], first_offset=5)
    third = start(neighbour, late, processors=PROCESSORS)
    restore(third.partition, second.partition.changed_records(), dict(enumerate(LIFE)))
    (remembering,) = [made for made in third.made if isinstance(made, Remembering)]
    assert remembering.seen == list(LIFE[5:])


def test_a_changed_configuration_begins_anew_without_a_replay():
    changed = config("remembering", parameters={"bar_seconds": 7})
    rig = reborn(ran(config("remembering"), *LIFE), changed, LIFE)
    assert rig.made[0].seen == []


def test_a_snapshot_that_no_longer_fits_is_replaced_by_a_replay(caplog):
    rig = reborn(ran(config("fickle"), *LIFE), config("fickle"), LIFE)
    assert "its snapshot does not fit: of another version; it is rebuilt" in caplog.text
    total = sum(one.price_raw for one in LIFE)
    assert rig.made[-1].count == len(LIFE)
    assert rig.made[-1].total == total


def test_bars_that_no_longer_fit_are_built_anew_by_a_replay():
    def damaged(record: InstrumentRecord) -> InstrumentRecord:
        (state,) = record.strategies
        return record._replace(strategies=(state._replace(bars=b"\x63"),))

    before = ran(config("remembering"), *LIFE)
    rig = reborn(before, config("remembering"), LIFE, change=damaged)
    more = [tick(50, seconds=at) for at in range(50, 200, 10)]
    assert rig.feed(*more, first_offset=20) == before.feed(*more, first_offset=20)


@pytest.mark.parametrize(
    ("kind", "gone", "reason"),
    [
        ("remembering", 1, "it needs 20 ticks, and 19 are retained"),
        ("fickle", 3, "it needs 20 ticks, and 17 are retained"),
        ("windowed5", 14, "it needs 7 ticks, and 6 are retained"),
        ("windowed5", 1, "the ticks of its bars are not retained"),
        ("warmed", 17, "it needs 4 ticks, and 3 are retained"),
    ],
)
def test_cut_short_by_retention_they_are_reported_as_cold(caplog, kind, gone, reason):
    caplog.set_level(logging.INFO)
    rig = reborn(ran(config(kind), *LIFE), config(kind), LIFE, start_offset=gone)
    (cold,) = rig.status.in_state(StrategyState.COLD)
    assert (cold.instrument_token, cold.reason) == (TOKEN, reason)
    assert rig.telemetry.of("strategy_cold") == [kind]
    (line,) = [one for one in caplog.messages if one.startswith("partition 3:")]
    assert line.startswith("partition 3: 0 restored from snapshot, 0 rebuilt by replay of 0 ticks")
    assert line.endswith(
        f"1 cold (strategy 00000000-0000-0000-0000-000000000001 on 1001: {reason})"
    )


@pytest.mark.parametrize(("kind", "gone"), [("warmed", 16), ("warming", 20)])
def test_what_is_enough_is_enough(kind, gone):
    before = ran(config(kind), *LIFE)
    rig = reborn(before, config(kind), LIFE, start_offset=gone)
    assert rig.status.in_state(StrategyState.COLD) == []
    assert rig.feed(tick(50), first_offset=20) == before.feed(tick(50), first_offset=20)


def test_a_cold_one_is_told_of_again_until_it_is_warm():
    log = dict(enumerate(LIFE))
    one = config("fickle")
    cold = reborn(ran(one, *LIFE), one, LIFE, start_offset=3)
    (record,) = start_over(cold, tick(50), 20)
    assert record.strategies[0].cold_since == 20
    # Its snapshot, which can now be read, is that of a cold one.
    again = start(one, processors={"fickle": Summing})
    restore(again.partition, [record], log)
    assert len(again.status.in_state(StrategyState.COLD)) == 1
    # All ticks are there this time.
    whole = start(one, processors=PROCESSORS)
    restore(whole.partition, [record], {**log, 20: tick(50)})
    assert [said.state for said in whole.status.reported if said.instrument_token] == [
        StrategyState.REGISTERED
    ]
    (record,) = start_over(whole, tick(51), 21)
    assert record.strategies[0].cold_since is None


def test_a_bounded_past_is_over_after_that_many_ticks():
    one = config("windowed5")
    rig = reborn(ran(one, *LIFE), one, LIFE, start_offset=18)
    for offset in range(20, 24):
        (record,) = start_over(rig, tick(50), offset)
        assert record.strategies[0].cold_since == 20
    (record,) = start_over(rig, tick(50), 24)
    assert record.strategies[0].cold_since is None
    assert [said.state for said in rig.status.reported if said.instrument_token] == [
        StrategyState.COLD,
        StrategyState.REGISTERED,
    ]


def test_a_record_from_before_there_were_marks_is_not_taken_for_more_than_it_is():
    def unmarked(record: InstrumentRecord) -> InstrumentRecord:
        (state,) = record.strategies
        return record._replace(strategies=(state._replace(marks=()),))

    rig = reborn(ran(config("remembering"), *LIFE), config("remembering"), LIFE, change=unmarked)
    (cold,) = rig.status.in_state(StrategyState.COLD)
    assert cold.reason == "it is not recorded with which tick it began"


def test_one_line_says_how_all_strategies_of_a_partition_came_back(caplog):
    caplog.set_level(logging.INFO)
    before = start(*ALL, processors=PROCESSORS)
    before.feed(*LIFE)
    after = start(*ALL, processors=PROCESSORS)
    restore(after.partition, before.partition.changed_records(), dict(enumerate(LIFE)))
    (line,) = [one for one in caplog.messages if one.startswith("partition 3:")]
    assert line == (
        "partition 3: 1 restored from snapshot, 5 rebuilt by replay of 66 ticks,"
        " 2 warmed up, 0 new, 0 quarantined, 0 cold"
    )


@pytest.mark.parametrize(("needed", "expected"), [(None, 1), (0, 0), (150, 2)])
def test_marks_are_few(needed, expected):
    marks = rebuild.Marks(needed)
    for seen in range(1000):
        if seen == marks.next_at:
            marks.add(Mark(seen, None))
    assert len(marks.kept) == expected
    again = rebuild.Marks(needed)
    again.restore(marks.kept, 1000)
    assert again.next_at == marks.next_at
    if needed:
        assert 1000 - 2 * needed <= marks.kept[0].offset <= 1000 - needed
