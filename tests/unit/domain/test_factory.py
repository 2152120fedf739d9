"""The factory: types by name, made from callables or from dotted paths."""

import sys
from decimal import Decimal

import numpy as np
import pytest

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.executor import StrategyExecutor
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.signals import SignalResult, SignalType
from tests.unit.fakes.processors import Talker
from tests.unit.fakes.validators import Answers
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, changed, config, tick


def factory(**processors):
    made = StrategyFactory().register_validator("standard", lambda _: Answers())
    for name, create in {"talker": lambda *_: Talker(), **processors}.items():
        made.register_processor(name, create)
    return made


def test_an_executor_is_composed_of_what_the_configuration_names():
    asked = []
    validator = Answers()
    made = factory(talker=lambda *given: asked.append(given) or Talker())

    def create_validator(config: StrategyConfig):
        asked.append(config)
        return validator

    made.register_validator("own", create_validator)
    wanted = config(validator_type="own", instruments=(TOKEN, OTHER_TOKEN))
    executor = made.create_executor(wanted, OTHER_TOKEN)
    context = ExecutionContext(
        instrument_token=OTHER_TOKEN, brokers=("paper",), risk_limits={"max_position": None}
    )
    assert asked == [(wanted, context), wanted]
    assert isinstance(executor.processor, Talker)
    assert executor.validator is validator
    assert executor.config is wanted
    assert executor.context == context
    assert executor.capabilities.history_size == 100


def test_every_call_makes_a_new_processor():
    made = factory()
    first, second = (made.create_executor(config(), TOKEN) for _ in range(2))
    assert first.processor is not second.processor


def test_factories_do_not_share_types():
    factory(extra=lambda *_: Talker())
    assert factory().strategy_types == ("talker",)


def test_an_unknown_strategy_type_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown strategy type 'nope'; known: other, talker$"):
        factory(other=lambda *_: Talker()).create_executor(config("nope"), TOKEN)


def test_an_unknown_validator_type_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown validator type 'nope'; known: standard$"):
        factory().create_executor(config(validator_type="nope"), TOKEN)


def test_a_factory_that_knows_nothing_says_so():
    with pytest.raises(ValueError, match=r"unknown strategy type 'talker'; known: none$"):
        StrategyFactory().create_executor(config(), TOKEN)


def test_an_instrument_that_is_not_the_strategys_is_refused():
    with pytest.raises(ValueError, match="instrument 2002 is not one of strategy"):
        factory().create_executor(config(), OTHER_TOKEN)


def test_what_the_validator_finds_wrong_with_a_configuration_is_named_whole():
    made = factory().register_validator(
        "standard", lambda _: Answers(problems=("first is wrong", "second is wrong"))
    )
    with pytest.raises(ValueError, match=r"^first is wrong; second is wrong$"):
        made.create_executor(config(), TOKEN)


def test_a_dotted_path_is_imported_when_it_is_first_asked_for(tmp_path, monkeypatch):
    (tmp_path / "mine_for_the_factory.py").write_text(
        "from tests.unit.fakes.processors import Talker\n"
        "def create_processor(config, context):\n"
        "    return Talker()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = factory(mine="mine_for_the_factory.create_processor")
    assert "mine_for_the_factory" not in sys.modules
    assert isinstance(made.create_executor(config("mine"), TOKEN).processor, Talker)
    monkeypatch.delitem(sys.modules, "mine_for_the_factory")


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("no_such_module.create", "cannot be imported: ModuleNotFoundError"),
        ("algo_panda.domain.money.no_such_name", "cannot be imported: AttributeError"),
        ("undotted", "write module.function"),
        ("module:create", "write module.function"),
        (".relative.create", "cannot be imported: TypeError"),
        ("algo_panda.domain.money.PRICE_SCALE", "is not callable"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_by_name(path, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        factory(mine=path).create_executor(config("mine"), TOKEN)
    assert str(caught.value).startswith(path)


def test_a_module_that_does_not_even_parse_is_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "broken_for_the_factory.py").write_text("def create_processor(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="cannot be imported: SyntaxError"):
        factory(mine="broken_for_the_factory.create_processor").create_executor(
            config("mine"), TOKEN
        )


def test_something_that_is_no_processor_is_refused():
    with pytest.raises(ValueError, match="NoneType has no method process_tick"):
        factory(mine=lambda *_: None).create_executor(config("mine"), TOKEN)


class Judge:
    """Has one answer about every configuration."""

    def __init__(self, answer):
        self.answer = answer

    def validate_signal(self, signal, market_data):
        return True

    def validate_configuration(self, config):
        return self.answer


@pytest.mark.parametrize("answer", [True, np.True_, (), [], None])
def test_a_configuration_may_be_found_valid_by_a_truth_value_or_no_problems(answer):
    made = factory().register_validator("standard", lambda _: Judge(answer))
    assert made.create_executor(config(), TOKEN).validator.answer is answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            False,
            "validator Judge rejects the parameters: validate_configuration returned False",
        ),
        (
            np.False_,
            "validator Judge rejects the parameters: validate_configuration returned False",
        ),
        (["one", "two"], "one; two"),
        ("one sentence", "one sentence"),
        (7, "validate_configuration of Judge returned int, neither bool nor a sequence of"),
    ],
)
def test_a_configuration_may_be_refused_by_a_truth_value_or_problems(answer, said):
    made = factory().register_validator("standard", lambda _: Judge(answer))
    with pytest.raises(ValueError, match=f"^{said}"):
        made.create_executor(config(), TOKEN)


def test_a_validator_without_its_methods_is_refused():
    made = factory().register_validator("standard", lambda _: object())
    with pytest.raises(ValueError, match="object has no method validate_signal"):
        made.create_executor(config(), TOKEN)


class Remembers:
    """Keeps the ticks that it was handed."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.seen = []
        self.loads = 0

    def load_model(self):
        self.loads += 1
        return self.parameters.get("loads", True)

    def process_tick(self, tick, history):
        self.seen.append((tick, history, self.loads))
        return SignalResult("buy", 70, quantity=len(self.seen), price=tick.last_price)


def strategy(**changes):
    given = {
        "strategy_id": "5c6a1b0e-0000-4000-8000-000000000001",
        "strategy_type": "remembers",
        "parameters": {"period": 5, "max_position_size": 10, "risk_multiplier": 2},
        "brokers": ["zerodha", "paper"],
        "instrument_tokens": [TOKEN, OTHER_TOKEN],
    }
    made = []
    known = factory(remembers=lambda p: made.append(Remembers(p)) or made[-1])
    return known.create_strategy(**{**given, **changes}), made


def test_a_strategy_is_one_executor_for_all_its_instruments():
    executor, made = strategy()
    assert isinstance(executor, StrategyExecutor)
    assert [executor.processor] == made
    assert executor.supports(TOKEN)
    assert executor.supports(OTHER_TOKEN)
    assert not executor.supports(3003)
    given = executor.config
    assert given.strategy_id == "5c6a1b0e-0000-4000-8000-000000000001"
    assert given.strategy_type == "remembers"
    assert given.parameters == {"period": 5, "max_position_size": 10, "risk_multiplier": 2}
    assert given.active_brokers == ("zerodha", "paper")
    assert given.instrument_tokens == (TOKEN, OTHER_TOKEN)
    assert (given.max_position_size, given.risk_multiplier, given.enabled) == (10, 2.0, True)
    assert given.validator == "standard"
    context = executor.context
    assert (context.broker, context.market_session) == ("zerodha", "regular")
    assert context.portfolio_state == {}
    assert context.risk_limits["max_position"] == 10


def test_its_instruments_never_share_a_processor_and_models_are_loaded_first():
    executor, made = strategy()
    one, other = tick(1), tick(2, token=OTHER_TOKEN)
    expected = SignalResult(SignalType.BUY, 0.7, 1, Decimal(1))
    assert executor.process_tick(one, [tick(0)]) == expected
    assert executor.process_tick(other, ()) == changed(expected, price=Decimal(2))
    assert executor.process_tick(one, ()).quantity == 2
    first, second = made
    assert executor.processor is first
    assert [seen[0] for seen in first.seen] == [one, one]
    assert first.seen[0][1] == [tick(0)]
    assert second.seen == [(other, (), 1)]
    assert (first.loads, second.loads) == (1, 1)


def test_a_tick_of_no_instrument_of_its_own_is_an_error():
    executor, made = strategy()
    with pytest.raises(ValueError, match="instrument 3003 is not one of strategy"):
        executor.process_tick(tick(token=3003), ())
    assert len(made) == 1


def test_a_model_that_does_not_load_is_an_error_at_the_first_tick():
    executor, made = strategy(parameters={"loads": False})
    for _ in range(2):
        with pytest.raises(ValueError, match="could not be loaded on instrument 1001"):
            executor.process_tick(tick(), ())
    assert made[0].seen == []


def test_a_strategy_may_be_named_by_any_text_and_the_same_text_is_the_same_strategy():
    (first, _), (second, _), (other, _) = (strategy(strategy_id=n) for n in ("a", "a", "b"))
    assert first.config.strategy_id == "a"
    assert first.config.id == second.config.id != other.config.id


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy_type": "nope"}, "unknown strategy type 'nope'; known: remembers, talker"),
        ({"validator_type": "nope"}, "unknown validator type 'nope'; known: standard"),
        ({"instrument_tokens": []}, "instruments is empty"),
        ({"parameters": {"max_position_size": 1.5}}, "max_position_size is 1.5"),
        ({"parameters": {"risk_multiplier": float("inf")}}, "risk_multiplier is inf"),
    ],
)
def test_a_strategy_that_cannot_be_is_a_value_error(changes, said):
    with pytest.raises(ValueError, match=said):
        strategy(**changes)


def test_brokers_may_be_none_at_all():
    executor, _ = strategy(brokers=())
    assert executor.context.broker is None
    assert executor.config.brokers == ()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"brokers": "paper"}, "brokers is 'paper', not a list"),
        ({"brokers": None}, "brokers is None, not a list"),
        ({"brokers": ["paper", 5]}, "brokers contains 5"),
        ({"instrument_tokens": "256265"}, "instrument_tokens is '256265', not a list"),
        ({"instrument_tokens": ["1"]}, "instrument_tokens contains '1'"),
        ({"instrument_tokens": [True]}, "instrument_tokens contains True"),
        ({"parameters": None}, "parameters is not a mapping"),
        ({"parameters": {1: 2}}, "parameters is not a mapping from names"),
        ({"strategy_id": ""}, "strategy_id is ''"),
        ({"strategy_id": None}, "strategy_id is None"),
        (
            {"parameters": {"max_postion_size": 2}},
            'unknown parameter "max_postion_size" .did you mean "max_position_size"',
        ),
    ],
)
def test_wrong_arguments_of_create_strategy_are_named(change, complaint):
    given = {
        "strategy_id": "mine",
        "strategy_type": "talker",
        "parameters": {},
        "brokers": ["paper"],
        "instrument_tokens": [TOKEN],
    }
    with pytest.raises(ValueError, match=complaint):
        factory(talker=lambda parameters: Talker()).create_strategy(**{**given, **change})


def test_a_parameter_that_only_begins_like_a_common_one_is_the_strategys_own():
    made = factory(talker=lambda parameters: Talker()).create_strategy(
        strategy_id="mine",
        strategy_type="talker",
        parameters={"max_position": 2, "bars": 3},
        brokers=[],
        instrument_tokens=[TOKEN],
    )
    assert made.config.max_position_size is None
