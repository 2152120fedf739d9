"""Who takes ticks is decided at start-up, each strategy for itself, with the reason kept."""

from typing import Any

import pytest

from algo_panda.domain.status import StrategyState
from algo_panda.runner.registry import Disabled
from tests.unit.fakes.processors import Summing, Talker
from tests.unit.fakes.rig import Rig, start
from tests.unit.fakes.validators import Answers
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config, tick


class WithModel(Talker):
    """Loads what it is told to, however that goes."""

    def __init__(self, outcome: Any = True) -> None:
        self.outcome = outcome
        self.loads = 0

    def load_model(self) -> Any:
        self.loads += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Explaining(WithModel):
    failure_reason = "model.onnx: not found"


class ExplainingBadly(WithModel):
    @property
    def failure_reason(self) -> str:
        raise LookupError("no reason at hand")


def raising(error: Exception) -> Any:
    def make() -> Any:
        raise error

    return make


def beside_a_talker(bad: Any, strategy_type: str = "bad") -> Rig:
    """The bad one first, then one that works, on the same instrument."""
    return start(
        config(strategy_type, number=1),
        config("talker", number=2),
        processors={"bad": bad, "talker": Talker},
    )


def assert_only_the_bad_one_is_disabled(rig: Rig, reason: str) -> None:
    assert [(one.config.id.int, one.reason) for one in rig.report.disabled] == [(1, reason)]
    assert [one.config.strategy_type for one in rig.report.registered] == ["talker"]
    disabled = rig.status.in_state(StrategyState.DISABLED)
    assert [(one.strategy_id.int, one.reason, one.instrument_token) for one in disabled] == [
        (1, reason, None)
    ]
    registered = rig.status.in_state(StrategyState.REGISTERED)
    assert [(one.strategy_id.int, one.reason) for one in registered] == [(2, None)]
    assert [said.strategy_type for said in rig.feed(tick())[0]] == ["talker"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: WithModel(False), "load_model returned False"),
        (lambda: WithModel(None), "load_model returned None"),
        (
            lambda: WithModel(OSError("disk on fire")),
            "loading the model failed: OSError: disk on fire",
        ),
        (lambda: WithModel(ValueError("too small")), "loading the model failed: too small"),
        (lambda: Explaining(False), "model.onnx: not found"),
        (
            lambda: ExplainingBadly(False),
            "loading the model failed: LookupError: no reason at hand",
        ),
        (raising(ValueError("period is 0")), "period is 0"),
        (raising(TypeError("no such argument")), "TypeError: no such argument"),
        (object, "object has no method process_tick"),
    ],
)
def test_a_strategy_that_cannot_start_is_disabled_alone_with_the_reason(make, reason):
    assert_only_the_bad_one_is_disabled(beside_a_talker(make), reason)


def test_an_unknown_type_disables_its_own_row_only():
    rig = beside_a_talker(Talker, "nobody_knows")
    assert_only_the_bad_one_is_disabled(
        rig, "unknown strategy type 'nobody_knows'; known: bad, talker"
    )


def test_an_unknown_validator_or_one_that_refuses_the_configuration_disables_its_row_only():
    rig = start(
        config(number=1, validator_type="nope"),
        config(number=2, validator_type="picky"),
        config(number=3),
        processors={"talker": Talker},
        validators={"picky": Answers(problems=("max_quantity is missing",))},
    )
    assert [one.reason for one in rig.report.disabled] == [
        "unknown validator type 'nope'; known: picky, standard",
        "max_quantity is missing",
    ]
    assert [one.config.id.int for one in rig.report.registered] == [3]


def test_the_reason_is_logged(caplog):
    beside_a_talker(lambda: Explaining(False))
    errors = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert len(errors) == 1
    assert "(bad) disabled: model.onnx: not found" in errors[0]


def test_a_model_load_is_told_once_per_strategy_however_many_instruments_it_has():
    rig = start(
        config("model", number=1, instruments=(TOKEN, OTHER_TOKEN, 3003)),
        config("talker", number=2),
        config("broken", number=3, instruments=(TOKEN, OTHER_TOKEN)),
        processors={
            "model": WithModel,
            "talker": Talker,
            "broken": lambda: WithModel(False),
        },
    )
    rig.feed(tick(), tick(token=OTHER_TOKEN), tick(token=3003))
    assert rig.telemetry.of("model_loaded") == [("model", True), ("broken", False)]
    assert rig.telemetry.of("strategy_registered") == [("model", True), ("talker", False)]


def test_every_processor_loads_its_model_once_and_before_its_first_tick():
    rig = start(config("model", instruments=(TOKEN, OTHER_TOKEN)), processors={"model": WithModel})
    assert [one.loads for one in rig.made] == [1]
    rig.feed(tick(), tick(token=OTHER_TOKEN), tick(), tick(token=OTHER_TOKEN))
    assert [one.loads for one in rig.made] == [1, 1]


def test_the_processor_made_at_start_up_is_the_one_that_takes_ticks():
    rig = start(config("summing"), processors={"summing": Summing})
    rig.feed(tick(), tick())
    assert [one.count for one in rig.made] == [2]


def test_one_that_fails_later_on_another_instrument_is_disabled_there_alone():
    outcomes = iter([True, False])
    rig = start(
        config("model", number=1, instruments=(TOKEN, OTHER_TOKEN)),
        config("talker", number=2, instruments=(TOKEN, OTHER_TOKEN)),
        processors={"model": lambda: WithModel(next(outcomes)), "talker": Talker},
    )
    here, there = rig.feed(tick(), tick(token=OTHER_TOKEN))
    assert [said.strategy_type for said in here] == ["model", "talker"]
    assert [said.strategy_type for said in there] == ["talker"]
    (disabled,) = rig.status.in_state(StrategyState.DISABLED)
    assert (disabled.instrument_token, disabled.reason) == (
        OTHER_TOKEN,
        "load_model returned False",
    )


def test_a_row_that_is_not_enabled_is_not_even_made():
    rig = start(config(enabled=False), processors={"talker": Talker})
    assert rig.made == []
    assert (rig.report.registered, rig.report.disabled) == ((), ())
    assert rig.feed(tick()) == [()]


def test_strategies_speak_in_the_order_they_are_configured_in():
    rig = start(*(config(number=number) for number in (3, 1, 2)), processors={"talker": Talker})
    (said,) = rig.feed(tick())
    assert [one.strategy_id[-1] for one in said] == ["3", "1", "2"]


def test_an_instrument_that_is_named_twice_is_run_once():
    rig = start(config(instruments=(TOKEN, TOKEN)), processors={"talker": Talker})
    assert [len(said) for said in rig.feed(tick())] == [1]
    assert len(rig.made) == 1


def test_with_nobody_registered_ticks_are_read_and_a_warning_says_so(caplog):
    rig = start(config("nope"), processors={})
    assert isinstance(rig.report.disabled[0], Disabled)
    assert "no strategy is registered" in caplog.text
    assert rig.feed(tick()) == [()]
