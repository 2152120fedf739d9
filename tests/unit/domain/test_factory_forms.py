"""Which arguments a factory is called with: decided by its signature, once."""

import functools
import types

import pytest

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.factory_forms import FactoryForm, processor_form
from tests.unit.fakes.processors import Talker
from tests.unit.fakes.validators import Answers
from tests.unit.fakes.values import TOKEN, config

PARAMETERS = {"period": 3, "nested": {"a": [1]}, "max_position_size": 7}


class Given:
    """Remembers what it was made with; processor and validator in one."""

    def __init__(self, *given):
        self.given = given

    def process_tick(self, tick, history):
        return None

    def validate_signal(self, signal, market_data):
        return None

    def validate_configuration(self, config):
        self.validated = config
        return True


class OfParameters(Given):
    def __init__(self, parameters):
        super().__init__(parameters)


class OfConfigAndContext(Given):
    def __init__(self, config, context):
        super().__init__(config, context)


class Callable:
    def __call__(self, parameters):
        return Given(parameters)


class Methods:
    def one(self, parameters):
        return Given(parameters)

    @classmethod
    def two(cls, config, context):
        return Given(config, context)

    @staticmethod
    def typed(config: StrategyConfig):
        return Given(config)


def with_default(parameters, period=14):
    assert period == 14
    return Given(parameters)


def with_options(parameters, *, strict=False, **others):
    assert not strict
    assert not others
    return Given(parameters)


def typed_any_name(whatever: StrategyConfig):
    return Given(whatever)


def typed_optional(given: StrategyConfig | None = None):
    return Given(given)


def typed_postponed(given: "StrategyConfig"):
    return Given(given)


def typed_by_module(given: "types_of_nowhere.StrategyConfig"):  # type: ignore[name-defined] # noqa: F821
    return Given(given)


def of_a_broken_annotation(given: "NoSuchName"):  # type: ignore[name-defined] # noqa: F821
    return Given(given)


def untyped_config(config):
    return Given(config)


def optional_context(config, context=None):
    return Given(config, context)


def typed_context(one, two: ExecutionContext | None = None):
    return Given(one, two)


def three(config, context, more):
    return Given(config, context, more)


def partly(more, parameters):
    assert more == 1
    return Given(parameters)


@functools.wraps(untyped_config)
def wrapped(*given, **named):
    return untyped_config(*given, **named)


IN_PARAMETERS = [
    lambda parameters: Given(parameters),
    OfParameters,
    Callable(),
    Methods().one,
    with_default,
    with_options,
    untyped_config,
    of_a_broken_annotation,
    functools.partial(partly, 1),
    functools.partial(optional_context, context=None),
    wrapped,
    lambda parameters, *rest: Given(parameters, *rest),
]
IN_CONFIG = [typed_any_name, typed_optional, typed_postponed, typed_by_module, Methods.typed]
IN_BOTH = [
    lambda config, context: Given(config, context),
    OfConfigAndContext,
    Methods.two,
    optional_context,
    typed_context,
    functools.partial(three, more=1),
    Given,
]


def no_arguments():
    return Given()


def only_keywords(*, parameters):
    return Given(parameters)


def a_keyword_that_must_be(parameters, *, more):
    return Given(parameters, more)


IMPOSSIBLE = [no_arguments, three, only_keywords, a_keyword_that_must_be]


def processor(create, **changes):
    factory = StrategyFactory().register_processor("own", create)
    factory.register_validator("standard", lambda _: Answers())
    wanted = config("own", parameters=PARAMETERS, **changes)
    return factory.create_executor(wanted, TOKEN), wanted


@pytest.mark.parametrize("create", IN_PARAMETERS)
def test_one_argument_gets_all_parameters_as_a_dictionary_of_its_own(create):
    executor, wanted = processor(create)
    given = executor.processor.given[0]
    assert type(given) is dict
    assert given == PARAMETERS
    given["nested"]["a"].append(2)
    given["period"] = 99
    assert wanted.parameters == {"period": 3, "nested": {"a": [1]}, "max_position_size": 7}


@pytest.mark.parametrize("create", IN_CONFIG)
def test_one_argument_annotated_so_gets_the_configuration(create):
    executor, wanted = processor(create)
    assert executor.processor.given == (wanted,)


@pytest.mark.parametrize("create", IN_BOTH)
def test_two_arguments_get_configuration_and_context(create):
    executor, wanted = processor(create)
    assert executor.processor.given[:2] == (wanted, executor.context)
    assert executor.context.risk_limits["max_position"] == 7


@pytest.mark.parametrize("create", IMPOSSIBLE)
def test_any_other_signature_is_one_error_that_shows_both_forms(create):
    with pytest.raises(ValueError, match="is not a known form of factory") as caught:
        processor(create)
    said = str(caught.value)
    assert said.startswith(create.__qualname__)
    assert "create_processor(parameters) or create_processor(config, context)" in said


def test_what_has_no_signature_is_refused_with_both_forms():
    with pytest.raises(ValueError, match="has no signature that can be read") as caught:
        processor(type("Odd", (), {"__signature__": 3, "__call__": lambda self: None})())
    assert "create_processor(parameters) or create_processor(config, context)" in str(caught.value)


def test_the_form_is_decided_once(monkeypatch):
    asked = []
    decide = types.SimpleNamespace(form=None)
    from algo_panda.domain import factory_forms

    decide.form = factory_forms._signature
    monkeypatch.setattr(
        factory_forms, "_signature", lambda create: asked.append(create) or decide.form(create)
    )
    factory = StrategyFactory().register_processor("own", OfParameters)
    factory.register_validator("standard", lambda _: Answers())
    for number in range(3):
        factory.create_executor(config("own", number=number), TOKEN)
    assert asked.count(OfParameters) == 1
    factory.register_processor("own", lambda config, context: Talker())
    assert isinstance(factory.create_executor(config("own"), TOKEN).processor, Talker)


@pytest.mark.parametrize(
    ("create", "is_config"),
    [
        (OfParameters, False),
        (untyped_config, False),
        (typed_any_name, True),
        (typed_postponed, True),
        (with_default, False),
    ],
)
def test_a_validator_and_its_configuration_check_get_the_same(create, is_config):
    factory = StrategyFactory().register_processor("own", lambda _: Talker())
    factory.register_validator("standard", create)
    wanted = config("own", parameters=PARAMETERS)
    validator = factory.create_executor(wanted, TOKEN).validator
    expected = wanted if is_config else PARAMETERS
    assert validator.given == (expected,)
    assert validator.validated == expected
    assert type(validator.validated) is type(expected)


@pytest.mark.parametrize(
    "create", [no_arguments, only_keywords, lambda config, context: Given(config, context)]
)
def test_a_validator_of_another_form_is_refused_with_both_forms(create):
    factory = StrategyFactory().register_processor("own", lambda _: Talker())
    factory.register_validator("standard", create)
    with pytest.raises(ValueError, match="is not a known form") as caught:
        factory.create_executor(config("own"), TOKEN)
    assert "create_validator(parameters) or create_validator(config: StrategyConfig)" in str(
        caught.value
    )


def context_first(context: ExecutionContext):
    """Would receive a dictionary."""


def swapped(context: ExecutionContext, config: StrategyConfig):
    """Would receive both the wrong way round."""


def with_a_number(config: StrategyConfig, n: int):
    """Would receive a context as the number."""


@pytest.mark.parametrize("create", [context_first, swapped, with_a_number])
def test_annotations_that_contradict_both_forms_are_refused(create):
    with pytest.raises(ValueError, match="is not a known form of factory"):
        processor_form(create, "mine.create")


@pytest.mark.parametrize(
    "create",
    [
        lambda config, ctx=None: None,
        lambda config, execution_context=None: None,
        lambda config, anything=None: None,
    ],
)
def test_a_second_argument_of_a_configuration_is_the_context(create):
    assert processor_form(create, "mine.create") is FactoryForm.CONFIG_AND_CONTEXT


def of_many(parameters: dict[str, StrategyConfig]):
    """Not a configuration."""


def test_a_container_of_configurations_is_no_configuration():
    assert processor_form(of_many, "mine.create") is FactoryForm.PARAMETERS
