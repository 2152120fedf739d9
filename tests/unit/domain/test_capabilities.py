"""What a processor can do is found out by asking for it, and for nothing else."""

from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from algo_panda.domain.capabilities import Capabilities
from tests.unit.fakes.processors import HistoryReader, Talker

NONE = {
    "load_model": False,
    "warmup": False,
    "on_bar": False,
    "shutdown": False,
    "extract_features": False,
    "predict_signal": False,
    "snapshot": False,
    "share_indicators": False,
    "batch_inference": False,
    "history_size": 100,
    "warmup_ticks": None,
}


def processor(**members: Any) -> Any:
    return type("Mine", (Talker,), members)()


def method(*_: Any) -> None:
    return None


def test_a_processor_with_the_required_method_alone_can_do_nothing_else():
    assert asdict(Capabilities.of(Talker())) == NONE


@pytest.mark.parametrize(
    "name",
    [
        "load_model",
        "warmup",
        "on_bar",
        "shutdown",
        "extract_features",
        "predict_signal",
        "share_indicators",
    ],
)
def test_each_optional_method_is_a_capability_of_its_own(name):
    assert asdict(Capabilities.of(processor(**{name: method}))) == {**NONE, name: True}


def test_a_snapshot_is_of_use_only_with_restore():
    both = processor(snapshot=method, restore=method)
    assert asdict(Capabilities.of(both)) == {**NONE, "snapshot": True}
    assert asdict(Capabilities.of(processor(snapshot=method))) == NONE
    assert asdict(Capabilities.of(processor(restore=method))) == NONE


def test_an_optional_method_set_to_none_is_not_there():
    assert asdict(Capabilities.of(processor(load_model=None))) == NONE


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_the_history_is_as_long_as_the_processor_says(size):
    assert Capabilities.of(HistoryReader(size)).history_size == size


@pytest.mark.parametrize("size", [-1, 2.5, "20", None, True])
def test_a_history_size_that_is_no_size_is_refused(size):
    with pytest.raises(ValueError, match=r"Mine\.history_size is .*, not a whole number"):
        Capabilities.of(processor(history_size=size))


@pytest.mark.parametrize("count", [None, 0, 1, 1000])
def test_a_processor_may_say_how_many_past_ticks_it_needs(count):
    assert Capabilities.of(processor(warmup_ticks=count)).warmup_ticks == count


@pytest.mark.parametrize("count", [-1, 2.5, "20", True])
def test_a_number_of_warmup_ticks_that_is_none_is_refused(count):
    with pytest.raises(ValueError, match=r"Mine\.warmup_ticks is .*, not a whole number"):
        Capabilities.of(processor(warmup_ticks=count))


@pytest.mark.parametrize("thing", [object(), None, processor(process_tick=5)])
def test_what_has_no_process_tick_is_no_processor(thing):
    with pytest.raises(ValueError, match="has no method process_tick"):
        Capabilities.of(thing)


def test_the_answer_is_a_value_that_does_not_change():
    capabilities = Capabilities.of(Talker())
    with pytest.raises(FrozenInstanceError):
        capabilities.load_model = True  # type: ignore[misc]
