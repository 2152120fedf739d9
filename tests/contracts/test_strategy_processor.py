"""What every processor must keep, run on the built-in ones and on a user's smallest one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.history import HistoryBuffer
from algo_panda.domain.market import MarketTick
from algo_panda.domain.protocols import LoadsModel, Snapshots, StrategyProcessor
from algo_panda.domain.signals import SignalResult, SignalType
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.strategies import hybrid_ml_rsi, ml_momentum, rules_rsi


class BuysAfterTwoRises:
    """All that a user must write."""

    def process_tick(self, tick: MarketTick, history: Sequence[MarketTick]) -> SignalResult | None:
        if len(history) < 2 or not history[-2].price_raw < history[-1].price_raw < tick.price_raw:
            return None
        return SignalResult(
            signal_type=SignalType.BUY, confidence=0.9, quantity=1, price=tick.last_price
        )


Create = Callable[[StrategyConfig, ExecutionContext], StrategyProcessor]


@dataclass(frozen=True)
class Case:
    """A processor under test, in a mood in which it speaks often."""

    name: str
    create: Create
    parameters: dict[str, Any]
    other: dict[str, Any]
    """Parameters of another processor of the same type."""

    def make(self, token: int = 1, *, other: bool = False) -> StrategyProcessor:
        config = StrategyConfig(
            id=UUID(int=1),
            strategy_type=self.name,
            parameters=self.other if other else self.parameters,
            instruments=(1, 2),
        )
        context = ExecutionContext(instrument_token=token, brokers=("paper",))
        processor = self.create(config, context)
        if isinstance(processor, LoadsModel):
            assert processor.load_model() is True
        return processor


CASES = [
    Case("rules_rsi", rules_rsi.create_processor, {}, {"lower": 29}),
    Case(
        "rules_rsi on entering",
        rules_rsi.create_processor,
        {"trigger": "cross", "period": 3, "flat_rsi": 100},
        {"trigger": "level", "period": 3, "flat_rsi": 100},
    ),
    Case(
        "ml_momentum",
        ml_momentum.create_processor,
        {"min_probability": 0.4},
        {"min_probability": 0.41},
    ),
    Case(
        "hybrid_ml_rsi_filter",
        hybrid_ml_rsi.create_processor,
        {"min_probability": 0.35, "lower": 45, "upper": 55},
        {"min_probability": 0.35, "lower": 45, "upper": 55, "period": 15},
    ),
    Case("a user's own", lambda _config, _context: BuysAfterTwoRises(), {}, {}),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
with_snapshots = pytest.mark.parametrize("case", CASES[:-1], ids=lambda case: case.name)
seeds = st.integers(min_value=0, max_value=10**6)
fewer = settings(max_examples=25, deadline=None)


def made_up(seed: int, count: int = 400, instruments: tuple[int, ...] = (1,)) -> list[MarketTick]:
    source = SyntheticSource(
        instruments=instruments,
        ticks=count,
        seed=seed,
        start=datetime(2024, 1, 1, tzinfo=UTC),
        ticks_per_second=50,
    )
    return [row.tick for row in source]


class Run:
    """Feeds a processor as the runner does: with exactly the history that it asked for."""

    def __init__(self, processor: StrategyProcessor) -> None:
        self.processor = processor
        self._size = Capabilities.of(processor).history_size
        self._buffer = HistoryBuffer(self._size)

    def take(self, tick: MarketTick) -> SignalResult | None:
        history = self._buffer.last(self._size)
        before = tuple(history)
        signal = self.processor.process_tick(tick, history)
        assert tuple(history) == before, "history was changed"
        self._buffer.append(tick)
        return signal

    def all(self, ticks: Sequence[MarketTick]) -> list[SignalResult | None]:
        return [self.take(tick) for tick in ticks]


@every_case
def test_it_speaks_at_times_and_is_silent_at_others(case):
    signals = Run(case.make()).all(made_up(1, 2000))
    spoken = [signal for signal in signals if signal is not None]
    assert 0 < len(spoken) < len(signals)
    assert all(isinstance(signal, SignalResult) for signal in spoken)


@every_case
@given(seed=seeds)
@fewer
def test_the_same_ticks_give_the_same_signals(case, seed):
    ticks = made_up(seed)
    assert Run(case.make()).all(ticks) == Run(case.make()).all(ticks)


@every_case
@given(seed=seeds)
@fewer
def test_two_interleaved_instruments_do_not_mix(case, seed):
    ticks = made_up(seed, 600, instruments=(1, 2))
    runs = {token: Run(case.make(token)) for token in (1, 2)}
    together = [runs[tick.instrument_token].take(tick) for tick in ticks]
    for token in (1, 2):
        own = [tick for tick in ticks if tick.instrument_token == token]
        apart = Run(case.make(token)).all(own)
        assert apart == [
            signal
            for tick, signal in zip(ticks, together, strict=True)
            if tick.instrument_token == token
        ]


@every_case
def test_what_is_handed_out_cannot_change_what_it_says_later(case):
    ticks = made_up(3, 600)
    undisturbed = Run(case.make()).all(ticks)
    run = Run(case.make())
    for tick, expected in zip(ticks, undisturbed, strict=True):
        if isinstance(run.processor, Snapshots):
            run.processor.snapshot()
        assert run.take(tick) == expected


@with_snapshots
@given(seed=seeds, cut=st.integers(min_value=0, max_value=400))
@fewer
def test_restored_anywhere_it_goes_on_as_if_nothing_had_happened(case, seed, cut):
    ticks = made_up(seed)
    whole, restored = Run(case.make()), Run(case.make())
    whole.all(ticks[:cut])
    restored.all(made_up(seed + 1, 1 + cut % 150))  # what it knew before must be gone
    restored.processor.restore(whole.processor.snapshot())
    assert restored.processor.snapshot() == whole.processor.snapshot()
    assert restored.all(ticks[cut:]) == whole.all(ticks[cut:])
    assert restored.processor.snapshot() == whole.processor.snapshot()


@with_snapshots
@pytest.mark.parametrize("damage", ["other parameters", "version", "cut", "tail", "empty"])
def test_a_state_that_does_not_fit_is_refused_each_time_and_changes_nothing(case, damage):
    source = Run(case.make(other=damage == "other parameters"))
    source.all(made_up(4, 300))
    state = source.processor.snapshot()
    state = {
        "other parameters": state,
        "version": b"\xff" + state[1:],
        "cut": state[:-1],
        "tail": state + b"\x00",
        "empty": b"",
    }[damage]
    run, undisturbed = Run(case.make()), Run(case.make())
    before = made_up(5, 250)
    run.all(before)
    undisturbed.all(before)
    for _ in range(2):
        with pytest.raises(ValueError, match="state is"):
            run.processor.restore(state)
        assert run.processor.snapshot() == undisturbed.processor.snapshot()
    later = made_up(6, 250)
    assert run.all(later) == undisturbed.all(later)
