"""A replay of what ran, version by version, against what was said live."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_panda.bootstrap import build_factory
from algo_panda.bootstrap.verification import _kept_from
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.config_json import config_fields
from algo_panda.domain.errors import BadInputError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult, TradingSignal
from algo_panda.domain.trading import Activation
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.replay.live_pass import LivePass
from algo_panda.replay.live_versions import Gap, Segment, gaps, segments
from algo_panda.replay.selection import Selection
from algo_panda.replay.ticks import RECEIVED, Refuse, TickColumns
from algo_panda.replay.verification import LiveSignal, PartitionVerdict, Verifier
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.values import START, changed

CODECS = load_codecs()
TOKENS = (1001, 1002)
RSI = StrategyConfig(
    id=UUID(int=1), strategy_type="rules_rsi", instruments=TOKENS, parameters={"period": 5}
)
COUNTER = StrategyConfig(id=UUID(int=2), strategy_type="counter", instruments=TOKENS)
SETTINGS = Settings(
    _env_file=None, processors={"counter": "tests.unit.replay.test_verification.create_counter"}
)
TICKS = [
    row.tick._replace(received_time_us=row.tick.event_time_us + 500)
    for row in SyntheticSource(
        instruments=TOKENS, ticks=2_000, seed=3, start=START, ticks_per_second=50
    )
]


class Counter:
    """Counts its ticks, and has no snapshot: it is rebuilt by all of them."""

    history_size = 0

    def __init__(self) -> None:
        self._seen = 0

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self._seen += 1
        if self._seen % 50:
            return None
        return SignalResult("HOLD", 0.9, 1, tick.last_price, f"tick {self._seen}")


def create_counter(_config: StrategyConfig, _context: object) -> Counter:
    return Counter()


class OnePartition:
    """All ticks in partition 3, in pieces of some length."""

    name = "made up"
    topic_id = "T"
    count = None
    time_field = RECEIVED
    partitions = (3,)

    def __init__(self, ticks: Sequence[MarketTick] = TICKS, length: int = 300) -> None:
        self._ticks = ticks
        self._length = length

    def read(self, partition: int, _refuse: Refuse, /) -> Iterator[TickColumns]:
        cuts = [*range(0, len(self._ticks), self._length), len(self._ticks)]
        for first, end in pairwise(cuts):
            yield TickColumns.of(partition, range(first, end), self._ticks[first:end])


def runner_of(segment: Segment) -> StrategyRunner:
    runner = StrategyRunner(configs=segment.configs, factory=build_factory(SETTINGS))
    runner.start()
    return runner


def passed(*stretches: Segment, length: int = 300, until: int | None = None) -> list[TradingSignal]:
    live = LivePass(OnePartition(length=length), 3, stretches, runner_of, lambda _: None)
    outcomes = [one for _, said in live.run(until) for some in said for one in some]
    assert all(isinstance(one, TradingSignal) for one in outcomes)
    return outcomes  # type: ignore[return-value]


def version(config: StrategyConfig, number: int, **parameters: object) -> StrategyConfig:
    return replace(config, version=number, parameters={**config.parameters, **parameters})


def told(config: StrategyConfig, offset: int, *, active: bool = True) -> Activation:
    return Activation(
        strategy_id=config.strategy_id,
        strategy_type=config.strategy_type,
        strategy_version=config.version,
        configuration_digest=config.digest,
        configuration=json.dumps(config_fields(config)),
        active=active,
        reason=None,
        tick_topic_id="T",
        tick_partition=3,
        tick_offset=offset,
    )


def test_activations_say_what_ran_from_where_on() -> None:
    second = version(RSI, 2, period=9)
    found = segments(
        [
            told(RSI, 0),
            told(COUNTER, 0),
            replace(told(second, 40), tick_partition=1),
            told(RSI, 100, active=False),
            told(second, 100),
            replace(told(RSI, 200), tick_topic_id="another"),
            told(COUNTER, 300, active=False),
        ],
        topic_id="T",
        partition=3,
    )
    assert [(one.first_offset, one.configs) for one in found] == [
        (0, (RSI, COUNTER)),
        (100, (COUNTER, second)),
        (300, (second,)),
    ]


def test_a_version_of_before_activations_held_configurations_is_told_apart() -> None:
    old, second = replace(told(RSI, 17), configuration=None), version(RSI, 2)
    ended = replace(told(RSI, 90, active=False), configuration=None)
    found = segments([old, told(COUNTER, 20), ended, told(second, 90)], topic_id="T", partition=3)
    assert [(one.first_offset, one.configs, set(one.unknown)) for one in found] == [
        (17, (), {(RSI.strategy_id, 1)}),
        (20, (COUNTER,), {(RSI.strategy_id, 1)}),
        (90, (COUNTER, second), set()),
    ]


def gaps_of(*activations: Activation) -> list[tuple[str, int, int, int, int]]:
    found = gaps(activations, topic_id="T", partition=3)
    assert {one.strategy_type for one in found} <= {"rules_rsi", "counter"}
    return [(one.strategy_id[-1], *one[2:]) for one in found]


def test_ticks_between_two_runs_of_a_strategy_are_a_gap() -> None:
    assert gaps(
        [told(RSI, 0), told(RSI, 90, active=False), told(RSI, 120)], topic_id="T", partition=3
    ) == [Gap(str(UUID(int=1)), "rules_rsi", 1, 1, 90, 120)]
    second, third = version(RSI, 2), version(RSI, 3)
    changed_in_between = (told(RSI, 0), told(RSI, 90, active=False), told(second, 120))
    assert gaps_of(*changed_in_between) == [("1", 1, 2, 90, 120)]
    assert gaps_of(*changed_in_between, told(second, 300, active=False), told(second, 301)) == [
        ("1", 1, 2, 90, 120),
        ("1", 2, 2, 300, 301),
    ]
    assert gaps_of(told(third, 0), told(third, 5, active=False), told(second, 9)) == [
        ("1", 3, 2, 5, 9)
    ]


def test_gaps_are_those_of_each_strategy_by_offset() -> None:
    assert gaps_of(
        told(RSI, 0),
        told(COUNTER, 0),
        told(RSI, 90, active=False),
        told(COUNTER, 40, active=False),
        told(RSI, 120),
        told(COUNTER, 100),
    ) == [("2", 1, 1, 40, 100), ("1", 1, 1, 90, 120)]


def test_a_version_that_follows_at_once_or_after_its_row_was_disabled_is_no_gap() -> None:
    second, third = version(RSI, 2), version(RSI, 3)
    assert gaps_of(told(RSI, 0), told(RSI, 90, active=False), told(second, 90)) == []
    assert gaps_of(told(RSI, 0), told(RSI, 90, active=False), told(third, 120)) == []
    assert gaps_of(told(RSI, 0), told(RSI, 90, active=False)) == []
    assert gaps_of(told(RSI, 40), told(COUNTER, 90)) == []


def test_activations_on_other_partitions_and_topics_are_no_gap() -> None:
    ended = told(RSI, 90, active=False)
    for elsewhere in ({"tick_partition": 1}, {"tick_topic_id": "another"}):
        assert gaps_of(told(RSI, 0), replace(ended, **elsewhere), told(RSI, 120)) == []


@settings(deadline=None, max_examples=15)
@given(cuts=st.sets(st.integers(1, 1_999), max_size=3), length=st.sampled_from([1, 170, 5_000]))
def test_state_goes_on_where_the_same_parameters_take_over(cuts: set[int], length: int) -> None:
    """With a snapshot and without one."""
    whole = passed(Segment(first_offset=0, configs=(RSI, COUNTER)))
    stretches = [
        Segment(first_offset=at, configs=(version(RSI, number), version(COUNTER, number)))
        for number, at in enumerate([0, *sorted(cuts)], start=1)
    ]
    found = passed(*stretches, length=max(length, 100))
    assert [changed(one, strategy_version=1) for one in found] == whole
    assert len(whole) > 500


def test_nothing_is_said_before_the_first_version_and_other_parameters_say_other_things() -> None:
    second = version(RSI, 2, period=9)
    said = passed(
        Segment(first_offset=500, configs=(RSI,)), Segment(first_offset=1_000, configs=(second,))
    )
    versions = {(one.strategy_version, one.tick_offset // 500) for one in said}
    assert versions == {(1, 1), (2, 2), (2, 3)}


def test_no_tick_is_processed_from_the_offset_on_where_it_ends() -> None:
    whole = passed(Segment(first_offset=0, configs=(RSI,)))
    part = passed(Segment(first_offset=0, configs=(RSI,)), until=1_234)
    assert part == [one for one in whole if one.tick_offset < 1_234]


SEGMENT = Segment(first_offset=0, configs=(RSI, COUNTER))
SAID = passed(SEGMENT)


def verify(
    live: Iterable[TradingSignal],
    selection: Selection | None = None,
    end: int = 2_000,
    stretches: Sequence[Segment] = (SEGMENT,),
    kept_from: int = 0,
    **twice: TradingSignal,
) -> PartitionVerdict:
    source = OnePartition()
    verifier = Verifier(
        source=source,
        selection=selection or Selection(),
        ends={3: end},
        kept_from={3: kept_from},
        signals=CODECS.signals,
        segments=lambda _: stretches,
        new_pass=lambda n: LivePass(source, n, stretches, runner_of, lambda _: None),
    )
    records = {one.signal_id: LiveSignal(one, CODECS.signals.encode(one)) for one in live}
    for one in twice.values():
        records[one.signal_id] = records[one.signal_id]._replace(is_contradicted=True)
    return verifier.verify(3, records)


def test_what_is_the_same_to_the_byte_is_equal() -> None:
    verdict = verify(SAID)
    assert (verdict.signals, verdict.differences, verdict.first) == (len(SAID), 0, None)
    assert (verdict.ticks, verdict.first_offset, verdict.end_offset) == (2_000, 0, 2_000)


def test_ticks_whose_signals_are_not_kept_any_more_are_not_compared() -> None:
    kept = [one for one in SAID if one.tick_offset >= 700]
    verdict = verify(kept, kept_from=700)
    assert (verdict.signals, verdict.differences, verdict.kept_from) == (len(kept), 0, 700)
    assert (verdict.ticks, verdict.first_offset, verdict.end_offset) == (1_300, 700, 2_000)
    assert verify(kept).differences == verify(kept).only_replayed == len(SAID) - len(kept) > 0


def test_a_signal_that_differs_is_explained_with_tick_state_and_both_values() -> None:
    one = next(s for s in SAID if s.tick_offset > 700 and s.strategy_type == "rules_rsi")
    other = changed(one, confidence=0.123)
    verdict = verify([other if s is one else s for s in SAID])
    assert (verdict.differences, verdict.only_live, verdict.only_replayed) == (1, 0, 0)
    assert verdict.first is not None
    assert (verdict.first.difference.live, verdict.first.difference.replayed) == (other, one)
    assert verdict.first.tick == TICKS[one.tick_offset]
    state = verdict.first.state
    assert state is not None
    before = [t for t in TICKS[: one.tick_offset] if t.instrument_token == one.instrument_token]
    assert (state.strategy_id, state.ticks_seen) == (one.strategy_id, len(before))


def test_the_first_of_several_is_the_one_whose_tick_came_first() -> None:
    verdict = verify([*SAID[:100], *SAID[101:400], *SAID[401:]])
    assert (verdict.differences, verdict.only_replayed) == (2, 2)
    assert verdict.first is not None
    assert verdict.first.difference.replayed == SAID[100]
    assert verdict.first.difference.live is None


def test_what_was_said_live_alone_is_a_difference_of_the_ticks_compared_only() -> None:
    made_up = changed(SAID[50], signal_id="f" * 32)
    assert verify([*SAID, made_up]).only_live == 1
    at = made_up.tick_offset
    for span, is_compared in (((at, None), 1), ((at + 1, None), 0), ((0, at + 1), 1), ((0, at), 0)):
        assert verify([*SAID, made_up], Selection(offsets={3: span})).only_live == is_compared
    assert verify(SAID, Selection(offsets={1: (0, None)})).ticks == 0


def test_ticks_before_the_selection_warm_up_and_are_not_compared() -> None:
    moment = TICKS[1_500].received_time_us
    live = [s for s in SAID if s.tick_offset >= 1_500]
    verdict = verify(live, Selection(from_us=moment, to_us=TICKS[1_800].received_time_us))
    assert (verdict.first_offset, verdict.end_offset, verdict.ticks) == (1_500, 1_800, 300)
    assert verdict.differences == 0
    assert verdict.signals == len([s for s in live if s.tick_offset < 1_800]) > 100


def test_what_the_runner_has_not_made_durable_is_not_compared() -> None:
    verdict = verify([s for s in SAID if s.tick_offset < 1_000], end=1_000)
    assert (verdict.ticks, verdict.differences) == (1_000, 0)
    assert verify([], end=0).ticks == 0


def test_a_signal_that_was_sent_again_as_something_else_is_a_difference() -> None:
    verdict = verify(SAID, one=SAID[7])
    assert (verdict.differences, verdict.only_live, verdict.only_replayed) == (1, 0, 0)
    assert verdict.first is not None
    assert verdict.first.difference.is_contradicted


def test_what_was_written_under_another_schema_id_is_the_same() -> None:
    source = OnePartition()
    verifier = Verifier(
        source=source,
        selection=Selection(),
        ends={3: 2_000},
        kept_from={},
        signals=CODECS.signals,
        segments=lambda _: [SEGMENT],
        new_pass=lambda n: LivePass(source, n, [SEGMENT], runner_of, lambda _: None),
    )
    values = {one.signal_id: CODECS.signals.encode(one) for one in SAID}
    records = {s.signal_id: LiveSignal(s, b"\0\0\0\0\7" + values[s.signal_id][5:]) for s in SAID}
    verdict = verifier.verify(3, records)
    assert (verdict.signals, verdict.differences) == (len(SAID), 0)


def test_versions_whose_configuration_is_unknown_are_not_compared() -> None:
    """The first half ran under a version that is not on record; the second is compared."""
    second = version(RSI, 2, period=9)
    unknown = (RSI.strategy_id, 1)
    half = [
        Segment(first_offset=0, configs=(COUNTER,), unknown=frozenset({unknown})),
        Segment(first_offset=1_000, configs=(COUNTER, second)),
    ]
    before = [s for s in SAID if s.tick_offset < 1_000 and s.strategy_id == RSI.strategy_id]
    verdict = verify([*before, *passed(*half)], stretches=half)
    assert (verdict.differences, verdict.unknown) == (0, {unknown})
    assert {s.strategy_version for s in passed(*half) if s.strategy_id == RSI.strategy_id} == {2}


def test_the_tick_of_the_first_signal_left_is_not_compared() -> None:
    """It may have led to other signals, which retention has removed."""
    first = changed(SAID[50], tick_offset=700)
    assert _kept_from(first, 3, "T") == 701
    assert _kept_from(first, 3, "another topic") == 0
    with pytest.raises(
        BadInputError, match="cannot be determined: a signal of a tick in partition 3"
    ):
        _kept_from(first, 4, "T")


def test_ticks_that_are_gone_are_told() -> None:
    assert not verify(SAID).is_cold
    assert verify(SAID, stretches=[replace(SEGMENT, first_offset=-5)]).is_cold
