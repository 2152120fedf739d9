"""When checkpoints and restarts happen changes no signal, whatever ``snapshot`` and ``restore`` do.

A whole run without a checkpoint says what is to come. Then checkpoints and restarts are placed
among the same ticks, in every way for a few ticks, in random ways for more of them.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.status import StrategyState
from algo_panda.runner.checked import LARGEST_SNAPSHOT
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.rig import start
from tests.unit.fakes.values import buy, config, tick
from tests.unit.fakes.worker import Worker

ENCODE = load_codecs().signals.encode


class PanicException(BaseException):
    """Derives from BaseException, as that of PyO3 does."""


class Counting:
    """Says how many ticks it has seen and their sum: every state says something else."""

    history_size = 1

    def __init__(self) -> None:
        self.prices: list[int] = []
        self.asked = 0

    def process_tick(self, current: MarketTick, history: Sequence[MarketTick], /) -> Any:
        self.prices.append(current.price_raw)
        if current.price_raw == 13 * 10**8:
            raise PanicException("unlucky")
        said = f"{len(self.prices)} {sum(self.prices)} {[one.price_raw for one in history]}"
        return buy(price=current.last_price, reasoning=said)

    def snapshot(self) -> Any:
        self.asked += 1
        return repr(self.prices).encode()

    def restore(self, state: bytes, /) -> None:
        self.prices = [int(price) for price in state.decode().strip("[]").split(",") if price]


class Failing(Counting):
    def snapshot(self) -> Any:
        raise PanicException("no state")


class FailingOnce(Counting):
    """At its first checkpoint, that of every worker."""

    def snapshot(self) -> Any:
        state = super().snapshot()
        if self.asked == 1:
            raise ValueError("not yet")
        return state


class FailingSometimes(Counting):
    """Depends on its state, and on how often it was asked."""

    def snapshot(self) -> Any:
        state = super().snapshot()
        return "no bytes" if (len(self.prices) + self.asked) % 3 == 0 else state


class Growing(Counting):
    """Above the limit from the third tick on."""

    def snapshot(self) -> Any:
        return super().snapshot().ljust(len(self.prices) * (LARGEST_SNAPSHOT // 2 - 9))

    def restore(self, state: bytes, /) -> None:
        super().restore(state.rstrip())


class Unrestorable(Counting):
    """Takes half of the state before it raises."""

    def restore(self, state: bytes, /) -> None:
        self.prices = [7] * 7
        raise PanicException("of another version")


class RestoringSometimes(Unrestorable):
    def restore(self, state: bytes, /) -> None:
        super(Unrestorable, self).restore(state)
        if len(self.prices) % 2:
            super().restore(state)


def bounded(kind: type[Counting]) -> type[Counting]:
    """The same of a processor that knows its last three ticks only."""

    class Bounded(kind):  # type: ignore[misc, valid-type]
        warmup_ticks = 3

        def __init__(self) -> None:
            super().__init__()
            self.prices = deque(maxlen=3)  # type: ignore[assignment]

        def snapshot(self) -> Any:
            known, self.prices = self.prices, list(self.prices)
            try:
                return super().snapshot()
            finally:
                self.prices = known

        def restore(self, state: bytes, /) -> None:
            try:
                super().restore(state)
            finally:
                self.prices = deque(self.prices, maxlen=3)  # type: ignore[assignment]

    return Bounded


KINDS = (
    Counting,
    Failing,
    FailingOnce,
    FailingSometimes,
    Growing,
    Unrestorable,
    RestoringSometimes,
)
PROCESSORS: Mapping[str, Any] = {
    **{kind.__name__: kind for kind in KINDS},
    **{f"bounded {kind.__name__}": bounded(kind) for kind in KINDS},
}
NEVER, CHECKPOINT, RESTART = (False, False), (True, False), (True, True)
CRASH = (False, True)
"""A restart without a checkpoint: what was processed since the last one is processed again."""


def signals(said: Sequence[Any]) -> list[bytes]:
    return [ENCODE(one) for one in said if isinstance(one, TradingSignal)]


def run_beside_a_whole_one(life: Sequence[tuple[MarketTick, bool, bool]], kind: str) -> None:
    one = config(kind)
    whole = start(one, processors=PROCESSORS, quarantine_after=2)
    expected = [signals(said) for said in whole.feed(*(tick for tick, _, _ in life))]
    worker = Worker(one, processors=PROCESSORS, quarantine_after=2)
    for offset, said in worker.live(life):
        assert signals(said) == expected[offset], (offset, [happens for _, *happens in life])
    assert worker.rig.status.in_state(StrategyState.COLD) == []
    (state,) = worker.everything()[one.instruments[0]].strategies
    (undisturbed,) = next(iter(whole.partition.changed_records())).strategies
    assert state._replace(processor=None) == undisturbed._replace(processor=None)


@pytest.mark.parametrize("kind", PROCESSORS)
def test_of_a_few_ticks_every_way_to_place_them(kind: str) -> None:
    ticks = [tick(price, seconds=price) for price in (11, 12, 13, 14, 15)]
    for placed in product((NEVER, CHECKPOINT, RESTART, CRASH), repeat=len(ticks) - 1):
        life = [(one, *happens) for one, happens in zip(ticks, (*placed, NEVER), strict=True)]
        run_beside_a_whole_one(life, kind)


@given(
    st.lists(
        st.tuples(
            st.builds(tick, st.integers(11, 19), seconds=st.integers(0, 60)),
            st.booleans(),
            st.booleans(),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([kind for kind in PROCESSORS if "Growing" not in kind]),
)
def test_of_more_ticks_any_way_to_place_them(life, kind: str) -> None:
    run_beside_a_whole_one(life, kind)


def test_a_quarantine_recorded_for_a_snapshot_is_kept_until_a_new_version() -> None:
    one = config("Counting")
    before = start(one, processors=PROCESSORS)
    before.feed(tick(11), tick(12))
    (record,) = before.partition.changed_records()
    (state,) = record.strategies
    reason = f"snapshot failed on instrument {one.instruments[0]}: ValueError: no"
    old = record._replace(
        strategies=(state._replace(quarantine_reason=reason, processor=None, marks=()),)
    )
    for version, said in ((1, []), (2, ["1 1400000000 []"])):
        after = start(config("Counting", version=version), processors=PROCESSORS)
        after.partition.restore([old])
        assert after.reasons(tick(14), first_offset=2) == [said]


def test_a_quarantined_strategy_that_was_cold_stays_quarantined_in_its_status() -> None:
    one = config("bounded Counting")
    before = start(one, processors=PROCESSORS)
    before.feed(tick(11), tick(12))
    (record,) = before.partition.changed_records()
    (state,) = record.strategies
    cold = record._replace(strategies=(state._replace(processor=None, marks=()),))
    after = start(one, processors=PROCESSORS, quarantine_after=3)
    after.partition.restore([cold])
    after.partition.rebuilt()
    for offset in (2, 3, 4):  # as many as it needs to be warm again
        after.feed(tick(13), first_offset=offset)
    assert len(list(after.partition.changed_records())) == 1
    assert after.status.reported[-1].state is StrategyState.QUARANTINED
