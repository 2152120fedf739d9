"""What several processes hear, put together, is what one hears, whoever has which instrument."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.bootstrap.hearing import Asked, ShardWorker, hearing_here, runner_of
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import PandaError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from algo_panda.replay.files import FileTicks
from algo_panda.replay.hearing import Heard
from algo_panda.replay.merging import Arrivals, Block
from algo_panda.replay.observer import Observer
from algo_panda.replay.processes import WorkersError
from algo_panda.replay.shards import Reply, ShardedHearing, Shards
from algo_panda.replay.ticks import RecordedTicks, TickColumns
from algo_panda.settings import Settings

TOKENS = (256, 512, 768, 1024)
UNWANTED = 99
PARTITIONS = (0, 1, 2)
HERE = "tests.unit.replay.test_shards"


class Moody:
    """Does what the price of the tick says; keeps what it has seen."""

    history_size = 2

    def __init__(self) -> None:
        self._seen = 0

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self._seen += 1
        mood = tick.price_raw // 10**8 % 10
        if mood == 1:
            raise ValueError("it does not like it")
        if mood <= 3:
            return None
        quantity = -1 if mood == 4 else self._seen  # which the validator refuses
        text = "\ud800" if mood == 5 else f"{[past.price_raw for past in history]}"
        return SignalResult("SELL" if mood == 6 else "BUY", 0.5, quantity, tick.last_price, text)


def create_moody(_config: StrategyConfig, _context: object) -> Moody:
    return Moody()


SETTINGS = Settings(
    _env_file=None, processors={"moody": f"{HERE}.create_moody"}, quarantine_after=2
)
CONFIGS = (
    StrategyConfig(id=UUID(int=2), strategy_type="moody", instruments=TOKENS),
    StrategyConfig(id=UUID(int=1), strategy_type="moody", instruments=TOKENS[1:]),
    StrategyConfig(
        id=UUID(int=3),
        strategy_type="rules_rsi",
        instruments=TOKENS[::2],
        parameters={"period": 2, "lower": 40, "upper": 60},
    ),
)


class Source(FileTicks):
    """Only its names are asked for."""

    partitions = PARTITIONS


SOURCE: RecordedTicks = Source("made up", list)

rows = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 1, 2)),
        st.sampled_from((*TOKENS[:2], *TOKENS, UNWANTED)),
        st.sampled_from((101, 101, 101, 102, 104, 105, 106, 107)),
        st.sampled_from((0, 0, 7)),
    ),
    max_size=60,
)


@st.composite
def cut_blocks(draw: st.DrawFn) -> Sequence[Block]:
    """Ticks of some partitions, cut anywhere."""
    drawn = draw(rows)
    cuts = sorted(draw(st.lists(st.integers(0, len(drawn)), max_size=6)))
    blocks: list[Block] = []
    for first, end in pairwise([0, *cuts, len(drawn)]):
        block: list[Arrivals] = []
        for partition in PARTITIONS:
            mine = [n for n in range(first, end) if drawn[n][0] == partition]
            ticks = [
                MarketTick(drawn[n][1], 10**15 + n - drawn[n][3], drawn[n][2] * 10**8, 1, n)
                for n in mine
            ]
            if mine:
                arrived = np.array(mine, np.int64)
                block.append(Arrivals(TickColumns.of(partition, mine, ticks), arrived))
        if block:
            blocks.append(block)
    return blocks


def never() -> bool:
    return False


def here(blocks: Sequence[Block]) -> tuple[list[tuple[Block, Sequence[Heard]]], Observer]:
    observer = Observer()
    runner = runner_of(SETTINGS, CONFIGS, observer)
    runner.start()
    return list(
        hearing_here(codecs_of(SETTINGS), runner, SOURCE, keeps_ticks=True).hear(blocks, never)
    ), observer


def sent(asked: Asked, worker: ShardWorker) -> Future[Reply]:
    """An answer by way of bytes, as between processes."""
    future: Future[Reply] = Future()
    answer = worker.answer(pickle.loads(pickle.dumps(asked)))
    future.set_result(pickle.loads(pickle.dumps(answer)))
    return future


def shards(count: int) -> Shards:
    found = dict.fromkeys(TOKENS, 2)
    return Shards(count, found)


def in_shards(
    blocks: Sequence[Block], count: int, ahead: int
) -> tuple[list[tuple[Block, Sequence[Heard]]], Observer]:
    observer = Observer()
    workers = [
        ShardWorker(never, SETTINGS, CONFIGS, SOURCE.topic_id, PARTITIONS) for _ in range(count)
    ]

    def asking(worker: ShardWorker) -> Callable[[Sequence[TickColumns]], Future[Reply]]:
        return lambda asked: sent(asked, worker)

    hearing = ShardedHearing(
        [asking(worker) for worker in workers], shards(count), ahead=ahead, observer=observer
    )
    return list(hearing.hear(blocks, never)), observer


def facts(heard: Heard) -> tuple[object, ...]:
    spoken = heard.spoken
    return (
        *(heard.partition, heard.ticks, heard.offsets, list(map(list, heard.said))),
        *(spoken.outcomes, spoken.places, spoken.has_refusals, spoken.signals, heard.values),
    )


@given(blocks=cut_blocks(), count=st.integers(1, 5), ahead=st.integers(0, 3))
def test_any_number_of_processes_hears_what_one_does(
    blocks: Sequence[Block], count: int, ahead: int
) -> None:
    one, seen = here(blocks)
    many, seen_by_many = in_shards(blocks, count, ahead)
    assert [block for block, _ in many] == [block for block, _ in one]
    assert [list(map(facts, heard)) for _, heard in many] == [
        list(map(facts, heard)) for _, heard in one
    ]
    assert seen_by_many.failures == seen.failures
    assert seen_by_many.irregular == seen.irregular
    assert seen_by_many.stopped == seen.stopped


def of(tokens: Sequence[int]) -> TickColumns:
    ticks = [MarketTick(token, 10**15 + n, 10**10) for n, token in enumerate(tokens)]
    return TickColumns.of(0, range(len(ticks)), ticks)


@given(tokens=st.lists(st.sampled_from((*TOKENS, UNWANTED, 0, 10**9))), count=st.integers(1, 4))
def test_each_tick_that_a_strategy_wants_goes_to_one_process(tokens: list[int], count: int) -> None:
    found = shards(count).rows(of(tokens))
    assert len(found) == count
    taken = [row for mine in found for row in mine.tolist()]
    assert sorted(taken) == [row for row, token in enumerate(tokens) if token in TOKENS]
    assert all(mine.tolist() == sorted(mine.tolist()) for mine in found)


def test_an_instrument_stays_where_it_is_and_new_ones_go_to_who_has_least_to_do() -> None:
    shared = Shards(2, {256: 1, 512: 1, 768: 1, 1024: 3})
    first, second = shared.rows(of([256] * 5 + [512] * 3 + [768]))
    assert (first.tolist(), second.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7, 8])
    # By then it is six to four, and the new one has three strategies.
    first, second = shared.rows(of([1024, 256]))
    assert (first.tolist(), second.tolist()) == ([1], [0])
    first, second = shared.rows(of([512, 256, 1024, 768]))
    assert (first.tolist(), second.tolist()) == ([1], [0, 2, 3])


def raising(error: BaseException) -> Callable[[Sequence[TickColumns]], Future[Reply]]:
    future: Future[Reply] = Future()
    future.set_exception(error)
    return lambda _: future


def hearing_with(error: BaseException) -> ShardedHearing:
    return ShardedHearing([raising(error)], shards(1), ahead=1, observer=Observer())


BLOCKS: Sequence[Block] = [[Arrivals(of(TOKENS), np.arange(len(TOKENS)))]] * 4


def test_a_process_that_ended_ends_it() -> None:
    with pytest.raises(WorkersError, match="a worker process ended before the replay did"):
        list(hearing_with(BrokenProcessPool()).hear(BLOCKS, never))


def test_a_process_that_ended_because_all_are_to_stop_is_no_failure() -> None:
    assert list(hearing_with(BrokenProcessPool()).hear(BLOCKS, lambda: True)) == []


def test_what_is_raised_in_a_process_is_raised_here() -> None:
    with pytest.raises(PandaError, match="of the other process"):
        list(hearing_with(PandaError("of the other process")).hear(BLOCKS, never))


def test_nobody_waits_for_a_process_once_it_is_to_stop() -> None:
    asked: list[int] = []

    def ask(shard: Sequence[TickColumns]) -> Future[Reply]:
        asked.append(len(shard))
        return Future()  # that never comes

    hearing = ShardedHearing([ask], shards(1), ahead=1, observer=Observer())
    assert list(hearing.hear(BLOCKS, lambda: True)) == []
    assert asked == [1, 1]


def test_no_block_is_read_ahead_of_those_that_were_asked_for() -> None:
    read: list[int] = []

    def reading() -> Iterator[Block]:
        for number, block in enumerate(BLOCKS):
            read.append(number)
            yield block

    worker = ShardWorker(never, SETTINGS, CONFIGS, SOURCE.topic_id, PARTITIONS)
    hearing = ShardedHearing(
        [lambda asked: sent(asked, worker)], shards(1), ahead=0, observer=Observer()
    )
    for number, _ in enumerate(hearing.hear(reading(), never)):
        assert read == list(range(number + 1))


def test_a_strategy_that_starts_in_one_process_and_not_in_another_is_an_error() -> None:
    unknown = StrategyConfig(id=UUID(int=9), strategy_type="no_such", instruments=(1,))
    worker = ShardWorker(never, SETTINGS, [unknown], SOURCE.topic_id, PARTITIONS)
    with pytest.raises(WorkersError, match=r"unknown strategy type .no_such.*--jobs 1"):
        worker.answer([of(TOKENS)])


def test_what_nobody_waits_for_is_not_done() -> None:
    worker = ShardWorker(lambda: True, SETTINGS, CONFIGS, SOURCE.topic_id, PARTITIONS)
    assert worker.answer([of(TOKENS)]).said == ()
