"""A strategy that fails loses that tick, then itself on that instrument, and nobody else's."""

from typing import Any

import pytest

from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.status import StrategyState
from tests.unit.fakes.processors import Answering, RaisingBelow, Talker
from tests.unit.fakes.rig import Rig, start
from tests.unit.fakes.validators import Answers
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, buy, config, tick

BOTH = (TOKEN, OTHER_TOKEN)
GOOD, BAD = 100, 1


def fragile(quarantine_after: int = 3) -> Rig:
    """One that cannot bear prices below 50, between two that can bear everything."""
    return start(
        config("talker", number=1, instruments=BOTH),
        config("fragile", number=2, instruments=BOTH, version=7),
        config("talker", number=3, instruments=BOTH),
        processors={"talker": Talker, "fragile": lambda: RaisingBelow(50)},
        quarantine_after=quarantine_after,
    )


def speakers(said: Any) -> list[str]:
    """The last digit of each strategy's id."""
    return [one.strategy_id[-1] for one in said]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]


def test_a_strategy_that_raises_loses_that_tick_only_and_its_neighbours_nothing():
    rig = fragile()
    said = rig.feed(tick(GOOD), tick(BAD), tick(GOOD))
    assert [speakers(one) for one in said] == [["1", "2", "3"], ["1", "3"], ["1", "2", "3"]]
    assert rig.telemetry.of("strategy_failed") == ["fragile"]


def test_every_failure_is_counted_and_logged_once_per_burst(caplog):
    rig = fragile(quarantine_after=10)
    rig.feed(*map(tick, (BAD, BAD, BAD, GOOD, BAD, BAD)))
    assert len(rig.telemetry.of("strategy_failed")) == 5
    assert errors(caplog) == [
        f"strategy 00000000-0000-0000-0000-000000000002 failed at instrument {TOKEN}, "
        f"partition 3, offset {offset}; further failures in a row are only counted"
        for offset in (0, 4)
    ]
    assert "RuntimeError: 1 is too low" in caplog.text


def test_after_so_many_failures_in_a_row_it_is_quarantined_on_that_instrument(caplog):
    rig = fragile(quarantine_after=3)
    said = rig.feed(*map(tick, (BAD, BAD, BAD, GOOD, GOOD)))
    assert [speakers(one) for one in said] == [["1", "3"]] * 5
    (stopped,) = rig.status.in_state(StrategyState.QUARANTINED)
    assert (stopped.strategy_id.int, stopped.strategy_version) == (2, 7)
    assert stopped.instrument_token == TOKEN
    assert stopped.reason == (
        f"3 failures in a row, the last at instrument {TOKEN}, partition 3, offset 2: "
        "RuntimeError: 1 is too low"
    )
    assert len(rig.telemetry.of("strategy_failed")) == 3
    assert f"quarantined: {stopped.reason}" in errors(caplog)[-1]


def test_a_quarantine_on_one_instrument_leaves_the_others_alone():
    rig = fragile(quarantine_after=1)
    rig.feed(tick(BAD))
    assert [speakers(one) for one in rig.feed(tick(GOOD), tick(GOOD, token=OTHER_TOKEN))] == [
        ["1", "3"],
        ["1", "2", "3"],
    ]


def test_a_success_in_between_starts_the_count_anew():
    rig = fragile(quarantine_after=3)
    rig.feed(*map(tick, (BAD, BAD, GOOD, BAD, BAD, GOOD)))
    assert rig.status.in_state(StrategyState.QUARANTINED) == []
    assert speakers(rig.feed(tick(GOOD))[0]) == ["1", "2", "3"]


def test_a_tick_at_which_it_says_nothing_is_a_success():
    answers = (RuntimeError("no"), None, RuntimeError("no"), None, RuntimeError("no"), buy())
    rig = start(config("odd"), processors={"odd": lambda: Answering(*answers)}, quarantine_after=2)
    said = rig.feed(*(tick() for _ in answers))
    assert [len(one) for one in said] == [0, 0, 0, 0, 0, 1]
    assert rig.status.in_state(StrategyState.QUARANTINED) == []


def test_failures_on_another_instrument_are_counted_for_themselves():
    rig = fragile(quarantine_after=2)
    rig.feed(tick(BAD), tick(BAD, token=OTHER_TOKEN), tick(GOOD), tick(GOOD, token=OTHER_TOKEN))
    assert rig.status.in_state(StrategyState.QUARANTINED) == []


@pytest.mark.parametrize(
    "answer", ["BUY", True, {"signal_type": "BUY"}, (buy(),), RecursionError("too deep")], ids=repr
)
def test_an_answer_that_is_no_signal_is_a_failure(answer):
    rig = start(config("odd"), processors={"odd": lambda: Answering(answer)}, quarantine_after=2)
    assert [len(said) for said in rig.feed(tick(), tick(), tick())] == [0, 0, 0]
    assert rig.telemetry.of("strategy_failed") == ["odd", "odd"]
    assert len(rig.status.in_state(StrategyState.QUARANTINED)) == 1


@pytest.mark.parametrize("answer", [1, 0, "no", RuntimeError("no idea")], ids=repr)
def test_a_validator_that_fails_costs_its_own_strategy_that_tick(answer):
    rig = start(
        config("talker", number=1, validator_type="odd"),
        config("talker", number=2),
        processors={"talker": Talker},
        validators={"odd": Answers(answer)},
    )
    assert speakers(rig.feed(tick())[0]) == ["2"]
    assert rig.telemetry.of("strategy_failed") == ["talker"]


def test_an_on_bar_that_raises_is_a_failure_on_that_tick():
    class Barred(Talker):
        def on_bar(self, bar: Any, /) -> None:
            raise RuntimeError("no bars please")

    rig = start(config("barred", parameters={"bar_seconds": 1}), processors={"barred": Barred})
    said = rig.feed(tick(seconds=0), tick(seconds=1), tick(seconds=1.5), tick(seconds=2))
    assert [len(one) for one in said] == [1, 0, 1, 0]
    assert rig.telemetry.of("strategy_failed") == ["barred", "barred"]


def test_a_tick_is_timed_where_the_strategy_took_it():
    instants = iter([10.0, 10.25, 20.0, 30.0, 30.5])
    rig = start(
        config("fragile"),
        processors={"fragile": lambda: RaisingBelow(50)},
        clock=lambda: next(instants),
    )
    rig.feed(tick(GOOD), tick(BAD), tick(GOOD))
    assert rig.telemetry.of("tick_processed") == [("fragile", 0.25), ("fragile", 0.5)]


def test_a_signal_that_cannot_be_read_counts_the_same_in_a_batch_and_alone():
    class Unreadable:
        def __repr__(self) -> str:
            raise GeneratorExit

    class Halved:
        history_size = 0

        def process_tick(self, current: Any, history: Any, /) -> Any:
            return self.conclude_tick(current, self.prepare_tick(current, history), 0.0)

        def prepare_tick(self, current: Any, history: Any, /) -> InferenceRequest:
            return InferenceRequest(self, (current.price_raw,))

        def conclude_tick(self, current: Any, request: InferenceRequest, answer: Any, /) -> Any:
            is_bad = current.last_price == BAD
            return buy()._replace(price=Unreadable()) if is_bad else buy()

        def infer(self, rows: Any) -> Any:
            return [0.0 for _ in rows]

    life = [tick(price) for price in (GOOD, BAD, GOOD, BAD, BAD, GOOD, GOOD)]
    alone, batch = (
        start(config("halved"), processors={"halved": Halved}, quarantine_after=2) for _ in range(2)
    )
    said = alone.feed(*life)
    assert [len(one) for one in said] == [1, 0, 1, 0, 0, 0, 0]
    assert list(map(list, batch.partition.process_batch(life, range(len(life))))) == [
        list(one) for one in said
    ]
    assert list(batch.partition.changed_records()) == list(alone.partition.changed_records())
    for rig in (alone, batch):
        assert rig.telemetry.of("strategy_failed") == ["halved"] * 3


def test_what_ends_the_program_is_not_held_up():
    class Interrupted(Talker):
        def process_tick(self, current: Any, history: Any, /) -> Any:
            raise KeyboardInterrupt

    rig = start(config("odd"), processors={"odd": Interrupted})
    with pytest.raises(KeyboardInterrupt):
        rig.feed(tick())
