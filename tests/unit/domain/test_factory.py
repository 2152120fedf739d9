"""The factory: types by name, made from callables or from dotted paths."""

import sys

import pytest

from algo_panda.domain.config import ExecutionContext
from algo_panda.domain.factory import StrategyFactory
from tests.unit.fakes.processors import Talker
from tests.unit.fakes.validators import Answers
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config


def factory(**processors):
    made = StrategyFactory().register_validator("standard", lambda _: Answers())
    for name, create in {"talker": lambda *_: Talker(), **processors}.items():
        made.register_processor(name, create)
    return made


def test_an_executor_is_composed_of_what_the_configuration_names():
    asked = []
    validator = Answers()
    made = factory(talker=lambda *given: asked.append(given) or Talker())
    made.register_validator("own", lambda given: asked.append(given) or validator)
    wanted = config(validator_type="own", instruments=(TOKEN, OTHER_TOKEN))
    executor = made.create_strategy(wanted, OTHER_TOKEN)
    context = ExecutionContext(instrument_token=OTHER_TOKEN, brokers=("paper",))
    assert asked == [(wanted, context), wanted]
    assert isinstance(executor.processor, Talker)
    assert executor.validator is validator
    assert executor.config is wanted
    assert executor.context == context
    assert executor.capabilities.history_size == 100


def test_every_call_makes_a_new_processor():
    made = factory()
    first, second = (made.create_strategy(config(), TOKEN) for _ in range(2))
    assert first.processor is not second.processor


def test_factories_do_not_share_types():
    factory(extra=lambda *_: Talker())
    assert factory().strategy_types == ("talker",)


def test_an_unknown_strategy_type_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown strategy type 'nope'; known: other, talker$"):
        factory(other=lambda *_: Talker()).create_strategy(config("nope"), TOKEN)


def test_an_unknown_validator_type_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown validator type 'nope'; known: standard$"):
        factory().create_strategy(config(validator_type="nope"), TOKEN)


def test_a_factory_that_knows_nothing_says_so():
    with pytest.raises(ValueError, match=r"unknown strategy type 'talker'; known: none$"):
        StrategyFactory().create_strategy(config(), TOKEN)


def test_an_instrument_that_is_not_the_strategys_is_refused():
    with pytest.raises(ValueError, match="instrument 2002 is not one of strategy"):
        factory().create_strategy(config(), OTHER_TOKEN)


def test_what_the_validator_finds_wrong_with_a_configuration_is_named_whole():
    made = factory().register_validator(
        "standard", lambda _: Answers(problems=("first is wrong", "second is wrong"))
    )
    with pytest.raises(ValueError, match=r"^first is wrong; second is wrong$"):
        made.create_strategy(config(), TOKEN)


def test_a_dotted_path_is_imported_when_it_is_first_asked_for(tmp_path, monkeypatch):
    (tmp_path / "mine_for_the_factory.py").write_text(
        "from tests.unit.fakes.processors import Talker\n"
        "def create_processor(config, context):\n"
        "    return Talker()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = factory(mine="mine_for_the_factory.create_processor")
    assert "mine_for_the_factory" not in sys.modules
    assert isinstance(made.create_strategy(config("mine"), TOKEN).processor, Talker)
    monkeypatch.delitem(sys.modules, "mine_for_the_factory")


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("no_such_module.create", "cannot be imported: ModuleNotFoundError"),
        ("algo_panda.domain.money.no_such_name", "cannot be imported: AttributeError"),
        ("undotted", "cannot be imported: ValueError"),
        (".relative.create", "cannot be imported: TypeError"),
        ("algo_panda.domain.money.PRICE_SCALE", "is not callable"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_by_name(path, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        factory(mine=path).create_strategy(config("mine"), TOKEN)
    assert str(caught.value).startswith(path)


def test_a_module_that_does_not_even_parse_is_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "broken_for_the_factory.py").write_text("def create_processor(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="cannot be imported: SyntaxError"):
        factory(mine="broken_for_the_factory.create_processor").create_strategy(
            config("mine"), TOKEN
        )


def test_something_that_is_no_processor_is_refused():
    with pytest.raises(ValueError, match="NoneType has no method process_tick"):
        factory(mine=lambda *_: None).create_strategy(config("mine"), TOKEN)
