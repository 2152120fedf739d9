"""A strategy as configured: where its orders go, and which parameter is whose."""

from dataclasses import FrozenInstanceError, replace

import pytest

from algo_panda.domain.config import ExecutionContext
from tests.unit.fakes.values import config


@pytest.mark.parametrize(
    ("active_brokers", "zerodha_trading_enabled", "brokers"),
    [
        (("paper", "zerodha"), False, ("paper", "zerodha")),
        (("paper",), True, ("paper",)),
        ((), True, ()),
        ((), False, ()),
        (None, True, ("zerodha",)),
        (None, False, ("paper",)),
    ],
)
def test_orders_go_where_the_first_rule_that_applies_says(
    active_brokers, zerodha_trading_enabled, brokers
):
    made = config(active_brokers=active_brokers, zerodha_trading_enabled=zerodha_trading_enabled)
    assert made.brokers == brokers


def test_the_standard_validator_judges_where_none_is_named():
    assert config().validator == "standard"
    assert config(validator_type="strict_risk").validator == "strict_risk"


def test_parameters_of_runner_and_validator_are_kept_from_the_processor():
    made = config(parameters={"period": 14, "bar_seconds": 5, "validation": {"max_quantity": 3}})
    assert made.processor_parameters == {"period": 14}
    assert made.bar_seconds == 5
    assert made.validation == {"max_quantity": 3}


def test_bars_are_of_a_minute_where_nothing_is_said():
    assert config().bar_seconds == 60
    assert config().validation == {}


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "60", True, None])
def test_an_interval_that_is_no_number_of_seconds_is_refused(seconds):
    with pytest.raises(ValueError, match=r"bar_seconds is .*, not a whole number of seconds"):
        config(parameters={"bar_seconds": seconds})


@pytest.mark.parametrize("validation", [5, "strict", ["max_quantity"], None])
def test_validation_that_is_no_object_is_refused(validation):
    with pytest.raises(ValueError, match="validation is not an object"):
        config(parameters={"validation": validation})


def test_a_strategy_without_instruments_is_refused():
    with pytest.raises(ValueError, match="instruments is empty"):
        config(instruments=())


def test_a_configuration_does_not_change():
    given = {"period": 14}
    made = config(parameters=given)
    given["period"] = 2
    assert made.parameters == {"period": 14}
    with pytest.raises(TypeError):
        made.parameters["period"] = 2  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        made.version = 2  # type: ignore[misc]


ONE = config(parameters={"period": 14, "lower": 30}, active_brokers=("paper",))


@pytest.mark.parametrize(
    "change",
    [
        {"strategy_type": "other"},
        {"parameters": {"period": 15, "lower": 30}},
        {"parameters": {"period": 14, "lower": 30, "bar_seconds": 5}},
        {"validator_type": "strict_risk"},
        {"active_brokers": ()},
    ],
    ids=repr,
)
def test_the_digest_changes_with_whatever_decides_what_a_strategy_says(change):
    assert replace(ONE, **change).digest != ONE.digest


@pytest.mark.parametrize(
    "change",
    [
        {"version": 9},
        {"enabled": False},
        {"instruments": (1001, 5)},
        {"parameters": {"lower": 30, "period": 14}},
        {"validator_type": "standard"},
        {"active_brokers": None},
    ],
    ids=repr,
)
def test_the_digest_stays_where_nothing_is_decided_otherwise(change):
    assert replace(ONE, **change).digest == ONE.digest


def test_the_digest_is_what_it_always_was():
    # Checkpoints hold it: another value would discard the state of every strategy. It is
    # printf '%s' '{"brokers":["paper"],"parameters":{"lower":30,"period":14},"type":"talker",\
    # "validator":"standard"}' | sha256sum
    assert ONE.digest == "0a4b4722993bd07ef2f13a300882d9c36463796c1bbd7bef91e8900ef84a7769"


def test_limits_are_read_from_the_parameters_of_their_names():
    made = config(parameters={"period": 3, "max_position_size": 25, "risk_multiplier": 1.5})
    assert (made.max_position_size, made.risk_multiplier) == (25, 1.5)
    assert made.processor_parameters == {"period": 3}
    assert made.instrument_tokens == made.instruments


@pytest.mark.parametrize("parameters", [{}, {"max_position_size": None}])
def test_without_them_there_is_no_limit_and_no_multiplier(parameters):
    made = config(parameters=parameters)
    assert (made.max_position_size, made.risk_multiplier) == (None, 1.0)


@pytest.mark.parametrize("size", [0, -1, 1.0, 2.5, "10", True, [], float("nan")])
def test_a_largest_position_is_a_whole_number_above_0(size):
    made = config(parameters={"max_position_size": size})
    with pytest.raises(ValueError, match=r"max_position_size is .*, not a whole number above 0"):
        _ = made.max_position_size


@pytest.mark.parametrize(
    "factor", [0, -0.5, "2", True, None, float("nan"), float("inf"), 10**400, [1]]
)
def test_a_multiplier_is_a_finite_number_above_0(factor):
    made = config(parameters={"risk_multiplier": factor})
    with pytest.raises(ValueError, match=r"risk_multiplier is .*, not a finite number above 0"):
        _ = made.risk_multiplier


def test_the_context_shows_the_limit_and_cannot_be_changed():
    made = config(parameters={"max_position_size": 25}, active_brokers=("zerodha", "paper"))
    context = ExecutionContext.of(made, 1001)
    assert (context.broker, context.brokers) == ("zerodha", ("zerodha", "paper"))
    assert context.risk_limits == {"max_position": 25}
    assert context.portfolio_state == {}
    assert context.market_session == "regular"
    for mapping in (context.risk_limits, context.portfolio_state):
        with pytest.raises(TypeError):
            mapping["max_position"] = 1  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        context.market_session = "auction"  # type: ignore[misc]
    assert hash(context) == hash(ExecutionContext.of(made, 1001))
    assert ExecutionContext.of(config(active_brokers=()), 1001).broker is None
    assert ExecutionContext(instrument_token=1, brokers=()).risk_limits["max_position"] is None
