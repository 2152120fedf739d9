"""One strategy on one instrument: the processor speaks, the validator judges."""

from typing import Any

import numpy as np
import pytest

from algo_panda.domain.capabilities import Capabilities
from algo_panda.domain.config import ExecutionContext
from algo_panda.domain.executor import (
    NotASignalError,
    NotAViolationError,
    Refused,
    StrategyExecutor,
)
from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.trading import RejectionCode, Violation
from tests.unit.fakes.processors import Answering, Quiet
from tests.unit.fakes.validators import REFUSAL, Answers
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, buy, config, tick


def executor(processor: Any, validator: Any = None) -> StrategyExecutor:
    return StrategyExecutor(
        processor=processor,
        validator=validator or Answers(),
        config=config(),
        context=ExecutionContext(instrument_token=TOKEN, brokers=("paper",)),
        capabilities=Capabilities.of(processor),
    )


def test_it_is_for_its_own_instrument_only():
    assert executor(Quiet()).supports(TOKEN)
    assert not executor(Quiet()).supports(OTHER_TOKEN)


def test_a_signal_that_the_validator_lets_pass_stands():
    assert executor(Answering(buy())).process_tick(tick(), ()) == buy()


def test_a_signal_that_the_validator_refuses_comes_with_the_reason():
    outcome = executor(Answering(buy()), Answers(REFUSAL)).process_tick(tick(), ())
    assert outcome == Refused(result=buy(), violation=REFUSAL)


def test_where_the_processor_says_nothing_the_validator_is_not_asked():
    validator = Answers(RuntimeError("asked"))
    assert executor(Answering(None), validator).process_tick(tick(), ()) is None


def test_the_processor_gets_the_tick_and_the_history():
    processor = Quiet()
    history = (tick(1), tick(2))
    executor(processor).process_tick(tick(3), history)
    assert processor.seen == [tick(3)]
    assert processor.histories == [history]


@pytest.mark.parametrize("answer", ["BUY", True, (), {"signal_type": "BUY"}, REFUSAL])
def test_anything_but_a_signal_or_none_is_an_error_of_the_processor(answer):
    name = type(answer).__name__
    with pytest.raises(NotASignalError, match=f"process_tick returned {name}, not SignalResult"):
        executor(Answering(answer)).process_tick(tick(), ())


class Asking:
    """Asks a model, and says what it is made with whatever the answer."""

    history_size = 0

    def __init__(self, conclusion: Any) -> None:
        self.conclusion = conclusion

    def process_tick(self, _tick: Any, _history: Any, /) -> Any:
        raise AssertionError("not in halves")

    def prepare_tick(self, _tick: Any, _history: Any, /) -> InferenceRequest:
        return InferenceRequest(None, (1.0,))  # type: ignore[arg-type]

    def conclude_tick(self, _tick: Any, _request: InferenceRequest, _answer: Any, /) -> Any:
        return self.conclusion


def concluded(conclusion: Any, validator: Any = None) -> Any:
    subject = executor(Asking(conclusion), validator)
    request = subject.prepare_tick(tick(), ())
    assert isinstance(request, InferenceRequest)
    return subject.conclude_tick(tick(), request, 0.5)


def test_what_follows_from_the_answer_of_a_model_is_judged_as_any_signal():
    assert concluded(buy()) == buy()
    assert concluded(buy(), Answers(REFUSAL)) == Refused(result=buy(), violation=REFUSAL)
    assert concluded(None, Answers(RuntimeError("asked"))) is None
    with pytest.raises(NotASignalError, match="returned str, not SignalResult"):
        concluded("BUY")


@pytest.mark.parametrize("answer", [True, np.True_])
def test_true_of_the_validator_means_valid(answer):
    assert executor(Answering(buy()), Answers(answer)).process_tick(tick(), ()) == buy()


@pytest.mark.parametrize("answer", [False, np.False_])
def test_false_of_the_validator_is_a_violation_that_names_it(answer):
    outcome = executor(Answering(buy()), Answers(answer)).process_tick(tick(), ())
    assert isinstance(outcome, Refused)
    assert outcome.result == buy()
    assert outcome.violation == Violation(
        code=RejectionCode.INVALID_SIGNAL, reason="validator standard (Answers) returned False"
    )


@pytest.mark.parametrize("answer", [1, 0, "too much", (), np.int64(1), np.array([True])])
def test_anything_but_a_truth_value_a_violation_or_none_is_an_error_of_the_validator(answer):
    name = type(answer).__name__
    with pytest.raises(NotAViolationError, match=f"validate_signal returned {name}"):
        executor(Answering(buy()), Answers(answer)).process_tick(tick(), ())


def test_what_processor_or_validator_raise_comes_out_as_it_is():
    with pytest.raises(ZeroDivisionError):
        executor(Answering(ZeroDivisionError())).process_tick(tick(), ())
    with pytest.raises(ZeroDivisionError):
        executor(Answering(buy()), Answers(ZeroDivisionError())).process_tick(tick(), ())
