"""The strategy and the validator of the page run as the page says."""

from pathlib import Path
from typing import Any

import pytest

from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.outcome import Refused
from algo_panda.domain.signals import SignalResult
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, tick

PAGE = Path(__file__).parents[3] / "docs" / "writing-strategies.md"


def code(beginning: str) -> dict[str, Any]:
    """The names that the block which begins so defines."""
    blocks = PAGE.read_text("utf-8").split("```python\n")[1:]
    (found,) = [block.split("```")[0] for block in blocks if block.startswith(beginning)]
    names: dict[str, Any] = {}
    exec(found, names)
    return names


def executor(**parameters: Any):
    factory = StrategyFactory()
    factory.register_processor("dips", code("# dips.py")["create_processor"])
    factory.register_validator("mine", code("class MinimumConfidence")["create_validator"])
    return factory.create_strategy(
        strategy_id="trial",
        strategy_type="dips",
        parameters=parameters,
        brokers=["paper"],
        instrument_tokens=[TOKEN, OTHER_TOKEN],
        validator_type="mine",
    )


def test_the_strategy_of_the_page_buys_dips_on_each_instrument_for_itself():
    subject = executor(percent=2)
    prices = [100, 99, 97, "95.06", 95]
    found = [subject.process_tick(tick(price), ()) for price in prices]
    assert [one is not None for one in found] == [False, False, True, True, False]
    assert isinstance(found[2], SignalResult)
    assert subject.process_tick(tick(1, token=OTHER_TOKEN), ()) is None


def test_the_validator_of_the_page_rejects_what_is_not_sure_enough():
    subject = executor(percent=2, minimum_confidence=0.8)
    subject.process_tick(tick(100), ())
    assert isinstance(subject.process_tick(tick(90), ()), Refused)
    with pytest.raises(ValueError, match="MinimumConfidence rejects the parameters"):
        executor(minimum_confidence=2)
