"""Models that are asked for many ticks at once: what is said, and what is kept, is the same."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from tests.unit.fakes.processors import RaisingBelow, Summing
from tests.unit.fakes.rig import Make, start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, buy, config, tick

TOKENS = (TOKEN, OTHER_TOKEN)


class Doubling:
    """Twice the price; cannot tell where it is 13, and keeps count of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def infer(self, rows: Sequence[Sequence[float]], /) -> Sequence[float]:
        self.asked.append(len(rows))
        if (13,) in rows:
            raise RuntimeError("13 is more than I know")
        return [2 * price for (price,) in rows]


class Asking:
    """Sums prices up, and asks about each at which the sum is no multiple of three.

    Raises when it takes a multiple of 7, and when it hears 22.
    """

    history_size = 0

    def __init__(self, model: Doubling) -> None:
        self.model = model
        self.total = 0

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        request = self.prepare_tick(tick, history)
        if not isinstance(request, InferenceRequest):
            return request
        return self.conclude_tick(tick, request, self.model.infer([request.row])[0])

    def prepare_tick(
        self, tick: MarketTick, _history: Sequence[MarketTick], /
    ) -> InferenceRequest | SignalResult | None:
        price = int(tick.last_price)
        self.total += price
        if not price % 7:
            raise RuntimeError("a multiple of 7")
        if not self.total % 3:
            return buy(price=tick.last_price, reasoning="by myself") if price % 2 else None
        return InferenceRequest(self.model, (price,), self.total)

    def conclude_tick(
        self, tick: MarketTick, request: InferenceRequest, answer: float, /
    ) -> SignalResult | None:
        if answer == 22:
            raise RuntimeError("22")
        return buy(price=tick.last_price, reasoning=f"{request.about}: {answer}")

    def snapshot(self) -> bytes:
        return b"%d" % self.total

    def restore(self, state: bytes, /) -> None:
        self.total = int(state)


class OneByOne(Asking):
    prepare_tick: Any = None

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        request = Asking.prepare_tick(self, tick, history)
        if not isinstance(request, InferenceRequest):
            return request
        return self.conclude_tick(tick, request, self.model.infer([request.row])[0])


def kinds(asking: type[Asking], model: Doubling) -> dict[str, Make]:
    return {
        "asking": lambda: asking(model),
        "summing": Summing,
        "fragile": lambda: RaisingBelow(10),
    }


NAMES = ("asking", "summing", "asking", "fragile")
CONFIGS = [config(n, number=i, instruments=TOKENS) for i, n in enumerate(NAMES, start=1)]

ticks = st.lists(
    st.builds(tick, st.integers(1, 30), token=st.sampled_from(TOKENS)), min_size=1, max_size=30
)


@given(
    given_ticks=ticks,
    cuts=st.sets(st.integers(0, 30)),
    quarantine_after=st.sampled_from([1, 2, 3, 100]),
)
@settings(deadline=None)
def test_batch_by_batch_and_one_by_one_are_the_same(given_ticks, cuts, quarantine_after):
    together, apart = (
        start(*CONFIGS, processors=kinds(kind, Doubling()), quarantine_after=quarantine_after)
        for kind in (Asking, OneByOne)
    )
    offsets = range(len(given_ticks))
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < len(given_ticks)), len(given_ticks)]
    said: list[Any] = []
    for begin, end in pairwise(bounds):
        said += together.partition.process_batch(given_ticks[begin:end], offsets[begin:end])
    assert [list(one) for one in said] == [list(one) for one in apart.feed(*given_ticks)]
    assert list(together.partition.changed_records()) == list(apart.partition.changed_records())
    for heard in ("signal_emitted", "signal_refused"):
        assert sorted(together.telemetry.of(heard)) == sorted(apart.telemetry.of(heard))
    for counted in ("strategy_failed", "tick_processed"):
        assert len(together.telemetry.of(counted)) == len(apart.telemetry.of(counted))


def test_a_model_is_asked_once_for_a_batch_and_once_for_equal_questions() -> None:
    model = Doubling()
    rig = start(*CONFIGS[:3], processors=kinds(Asking, model))
    rig.partition.process_batch([tick(price) for price in (1, 4, 8, 16)], (1, 4, 8, 16))
    assert model.asked == [8]  # two strategies, which build rows of their own

    rows = [(price,) for price in range(30)]

    class Sharing(Asking):
        def prepare_tick(self, tick: MarketTick, _history: Any, /) -> InferenceRequest:
            return InferenceRequest(self.model, rows[int(tick.last_price)])

    model = Doubling()
    rig = start(*CONFIGS[:3], processors=kinds(Sharing, model))
    rig.partition.process_batch([tick(price) for price in (1, 4, 8, 16)], (1, 4, 8, 16))
    assert model.asked == [4]


def test_a_single_tick_is_not_put_off() -> None:
    model = Doubling()
    rig = start(CONFIGS[0], processors=kinds(Asking, model))
    ((said,),) = rig.partition.process_batch([tick(4)], [0])
    assert said.reasoning == "4: 8"
    assert model.asked == [1]


def test_a_row_that_a_model_cannot_answer_costs_that_tick_alone() -> None:
    rig = start(CONFIGS[0], processors=kinds(Asking, Doubling()))
    said = rig.partition.process_batch([tick(price) for price in (1, 13, 2)], (1, 13, 2))
    assert [len(one) for one in said] == [1, 0, 1]
    assert rig.telemetry.of("strategy_failed") == ["asking"]


def test_a_model_that_gives_too_few_answers_is_asked_row_by_row() -> None:
    class Forgetful(Doubling):
        def infer(self, rows: Sequence[Sequence[float]], /) -> Sequence[float]:
            return super().infer(rows)[:1]

    rig = start(CONFIGS[0], processors=kinds(Asking, Forgetful()))
    said = rig.partition.process_batch([tick(price) for price in (1, 4, 8)], (1, 4, 8))
    assert [one[0].reasoning for one in said] == ["1: 2", "5: 8", "13: 16"]


@pytest.mark.parametrize("answers", [[], [1.0, 2.0]])
def test_a_wrong_number_of_answers_to_one_row_is_a_failure(answers: list[float]) -> None:
    class Wrong(Doubling):
        def infer(self, rows: Sequence[Sequence[float]], /) -> Sequence[float]:
            return answers * len(rows)

    rig = start(CONFIGS[0], processors=kinds(Asking, Wrong()))
    said = rig.partition.process_batch([tick(1), tick(4)], [0, 1])
    assert [len(one) for one in said] == [0, 0]
    assert rig.telemetry.of("strategy_failed") == ["asking", "asking"]
