"""Whether strategies share their indicators or not, they say the same and keep the same state."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.sharing import IndicatorPool, SharedIndicator
from algo_panda.domain.signals import SignalResult
from tests.unit.fakes.rig import Make, start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, buy, config, tick
from tests.unit.fakes.worker import Worker

_UNLUCKY = 13


class Window(SharedIndicator):
    """The last three prices. A tick at 13 is more than it can take."""

    def __init__(self, prices: Sequence[int] = ()) -> None:
        super().__init__()
        self.prices = list(prices)
        self.taken = 0

    def take(self, tick: MarketTick) -> None:
        self.taken += 1
        price = int(tick.last_price)
        if price == _UNLUCKY:
            raise ValueError("unlucky")
        self.prices = [*self.prices, price][-3:]

    def held(self) -> list[int]:
        return self.prices


class Sharing:
    """Says what the window holds; raises at multiples of ``weak_at``."""

    history_size = 0

    def __init__(self, weak_at: int = 1_000) -> None:
        self.window = Window()
        self._weak_at = weak_at

    def process_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self.window.update(tick)
        if not int(tick.last_price) % self._weak_at:
            raise RuntimeError("weak")
        return buy(price=tick.last_price, reasoning=f"{self.window.prices}")

    def share_indicators(self, pool: IndicatorPool, /) -> None:
        self.window = pool.shared(self.window)


class Snapshotting(Sharing):
    def snapshot(self) -> bytes:
        return json.dumps(self.window.prices).encode()

    def restore(self, state: bytes, /) -> None:
        self.window = Window(json.loads(state))


class Rebuilt(Sharing):
    warmup_ticks = 3


def alone(kind: Any) -> Any:
    """The same strategy, which offers to share nothing."""
    return type("Alone", (kind,), {"share_indicators": None})


def kinds(wrapped: Any) -> dict[str, Make]:
    snapshotting, rebuilt = wrapped(Snapshotting), wrapped(Rebuilt)
    return {
        "snapshotting": snapshotting,
        "weak": lambda: snapshotting(7),
        "rebuilt": rebuilt,
    }


SHARING, ALONE = kinds(lambda kind: kind), kinds(alone)
TOKENS = (TOKEN, OTHER_TOKEN)
NAMES = ("snapshotting", "rebuilt", "weak", "snapshotting", "rebuilt")

lives = st.lists(
    st.tuples(
        st.builds(tick, st.integers(1, 30), token=st.sampled_from(TOKENS)),
        st.booleans(),
        st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=25,
)


def configs(names: Sequence[str]) -> list[StrategyConfig]:
    return [
        config(name, number=number, instruments=TOKENS)
        for number, name in enumerate(names, start=1)
    ]


@given(life=lives, names=st.permutations(NAMES))
@settings(deadline=None)
def test_shared_or_not_they_say_the_same_and_end_in_the_same_state(life, names):
    together = Worker(*configs(names), processors=SHARING)
    apart = Worker(*configs(names), processors=ALONE)
    assert list(together.live(life)) == list(apart.live(life))
    assert together.everything() == apart.everything()


def test_those_that_begin_together_share_from_the_first_tick():
    rig = start(*configs(["snapshotting", "rebuilt", "weak"]), processors=SHARING)
    rig.feed(tick(1), tick(2))
    assert len({id(made.window) for made in rig.made}) == 1
    assert rig.made[0].window.taken == 2


def test_one_that_begins_later_does_not_see_what_was_before_it():
    old = start(*configs(["snapshotting"]), processors=SHARING)
    old.feed(tick(1), tick(2))
    new = start(*configs(["snapshotting", "weak"]), processors=SHARING)
    new.partition.restore(old.partition.changed_records())
    new.partition.rebuilt()
    assert new.reasons(tick(3), first_offset=2) == [["[1, 2, 3]", "[3]"]]


def test_those_that_come_back_alike_share():
    old = start(*configs(["snapshotting", "weak"]), processors=SHARING)
    old.feed(tick(1), tick(2))
    new = start(*configs(["snapshotting", "weak"]), processors=SHARING)
    new.partition.restore(old.partition.changed_records())
    new.partition.rebuilt()
    first, second = (made for made in new.made if made.window.prices)
    assert first.window is second.window


def test_instruments_share_nothing():
    rig = start(*configs(["snapshotting"]), processors=SHARING)
    rig.feed(tick(1), tick(2, token=OTHER_TOKEN))
    assert [made.window.prices for made in rig.made] == [[1], [2]]


def test_what_an_indicator_raises_is_a_failure_of_each_strategy_and_of_nothing_else():
    rig = start(*configs(["snapshotting", "rebuilt"]), processors=SHARING)
    assert rig.reasons(tick(1), tick(_UNLUCKY), tick(2)) == [["[1]", "[1]"], [], ["[1, 2]"] * 2]
    assert len(rig.telemetry.of("strategy_failed")) == 2


def test_a_strategy_that_cannot_share_runs_alone(caplog):
    class Refusing(Snapshotting):
        def share_indicators(self, pool: IndicatorPool, /) -> None:
            raise RuntimeError("not with me")

    processors = {**SHARING, "refusing": Refusing}
    rig = start(*configs(["snapshotting", "refusing"]), processors=processors)
    assert rig.reasons(tick(1)) == [["[1]", "[1]"]]
    assert "share_indicators failed: RuntimeError: not with me" in caplog.text


@pytest.mark.parametrize("names", [["weak"], ["weak", "snapshotting"]])
def test_a_quarantined_strategy_leaves_the_others_their_indicator(names):
    worker = Worker(*configs(names), processors=SHARING, quarantine_after=2)
    worker.feed(tick(7), tick(14))
    worker.checkpoint(2)
    worker.crash()
    said = [len(one) for one in worker.feed(tick(1), tick(2), first_offset=2)]
    assert said == [len(names) - 1] * 2


class WithBars(Sharing):
    """Fails on one bar, and has no snapshot."""

    def on_bar(self, bar: Bar, /) -> None:
        if bar.open == 2:
            raise RuntimeError("bar")


class WithBarsAndSnapshot(WithBars, Snapshotting):
    pass


@pytest.mark.parametrize("kind", [WithBars, WithBarsAndSnapshot])
@pytest.mark.parametrize("crash_after", [1, 2, 3, 4, 5])
def test_a_tick_that_is_lost_to_a_bar_reaches_no_indicator(kind: Any, crash_after: int):
    ticks = [tick(number, seconds=number) for number in range(1, 7)]
    worker = Worker(
        config("barred", number=1, parameters={"bar_seconds": 1}),
        config("plain", number=2, parameters={"bar_seconds": 1}),
        processors={"barred": kind, "plain": Snapshotting},
    )
    said = list(worker.live([(one, True, at == crash_after) for at, one in enumerate(ticks)]))
    windows = {at: [one.reasoning for one in signals] for at, signals in said}
    assert windows == {
        0: ["[1]", "[1]"],
        1: ["[1, 2]", "[1, 2]"],
        2: ["[1, 2, 3]"],  # this tick closes the bar
        3: ["[1, 2, 4]", "[2, 3, 4]"],
        4: ["[2, 4, 5]", "[3, 4, 5]"],
        5: ["[4, 5, 6]", "[4, 5, 6]"],
    }
