"""Optional methods are called where they are, when they should be, and never by surprise."""

from typing import Any

import pytest

from tests.unit.fakes.processors import Talker
from tests.unit.fakes.rig import Rig, start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config, tick

ANSWERS = {
    "load_model": True,
    "warmup": None,
    "on_bar": None,
    "shutdown": None,
    "extract_features": [1.0],
    "predict_signal": None,
    "snapshot": b"state",
    "restore": None,
}
A_DAY = [tick(100, seconds=0), tick(101, seconds=30), tick(102, seconds=60), tick(99, seconds=10)]


def offering(calls: list[str], *names: str) -> Any:
    """A function that makes processors with these optional methods, which note their calls."""

    def noting(name: str) -> Any:
        def method(self: Any, *_: Any) -> Any:
            calls.append(name)
            return ANSWERS[name]

        return method

    def process_tick(self: Any, current: Any, history: Any, /) -> Any:
        calls.append("process_tick")
        return Talker().process_tick(current, history)

    members = {"process_tick": process_tick, **{name: noting(name) for name in names}}
    return type("Offering", (), members)


def a_life(make: Any) -> Rig:
    """Start, a few ticks, a checkpoint, a restart from it, a few more, stop."""
    rig = start(config("mine"), processors={"mine": make})
    rig.feed(*A_DAY)
    records = list(rig.partition.changed_records())
    rig.runner.stop()
    rig = start(config("mine"), processors={"mine": make})
    rig.partition.restore(records)
    rig.feed(*A_DAY, first_offset=4)
    rig.runner.stop()
    return rig


FOUR_TICKS = ["process_tick"] * 4
WITH_A_BAR = ["process_tick", "process_tick", "on_bar", "process_tick", "process_tick"]

LIVES = {
    (): [*FOUR_TICKS, *FOUR_TICKS],
    ("load_model",): ["load_model", *FOUR_TICKS, "load_model", *FOUR_TICKS],
    ("warmup",): ["warmup", *FOUR_TICKS, "warmup", *FOUR_TICKS],
    # The open bar is restored with the strategy: the day's first ticks are late the second time.
    ("on_bar",): [*WITH_A_BAR, *FOUR_TICKS],
    ("shutdown",): [*FOUR_TICKS, "shutdown", *FOUR_TICKS, "shutdown"],
    ("extract_features",): [*FOUR_TICKS, *FOUR_TICKS],
    ("predict_signal",): [*FOUR_TICKS, *FOUR_TICKS],
    ("snapshot",): [*FOUR_TICKS, *FOUR_TICKS],
    ("restore",): [*FOUR_TICKS, *FOUR_TICKS],
    ("snapshot", "restore"): [*FOUR_TICKS, "snapshot", "restore", *FOUR_TICKS],
    tuple(ANSWERS): [
        *["load_model", "warmup", *WITH_A_BAR, "snapshot", "shutdown"],
        *["load_model", "restore", *FOUR_TICKS, "shutdown"],
    ],
}


@pytest.mark.parametrize("names", LIVES, ids=lambda names: "+".join(names) or "none")
def test_what_a_processor_offers_is_called_in_its_time_and_nothing_else(names):
    calls: list[str] = []
    a_life(offering(calls, *names))
    assert calls == LIVES[names]


def test_a_processor_with_process_tick_alone_speaks():
    rig = start(config("mine"), processors={"mine": offering([])})
    assert [len(said) for said in rig.feed(*A_DAY)] == [1, 1, 1, 1]


def test_a_warmup_that_raises_is_a_warning_and_no_more(caplog):
    class Cold(Talker):
        def warmup(self, history: Any, /) -> None:
            raise LookupError("nothing to warm up with")

    rig = start(config("cold"), processors={"cold": Cold})
    assert [len(said) for said in rig.feed(tick(), tick())] == [1, 1]
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "warmup failed: LookupError: nothing to warm up with" in warnings[0]
    assert rig.telemetry.of("strategy_failed") == []


def test_a_shutdown_that_raises_is_a_warning_and_the_others_are_shut_down(caplog):
    calls: list[str] = []

    class Stubborn(Talker):
        def shutdown(self) -> None:
            raise OSError("busy")

    rig = start(
        config("stubborn", number=1),
        config("mine", number=2),
        processors={"stubborn": Stubborn, "mine": offering(calls, "shutdown")},
    )
    rig.feed(tick())
    rig.runner.stop()
    assert calls == ["process_tick", "shutdown"]
    assert "shutdown failed: OSError: busy" in caplog.text


def test_every_processor_is_shut_down_once_also_one_that_never_had_a_tick():
    calls: list[str] = []
    rig = start(
        config("mine", number=1, instruments=(TOKEN, OTHER_TOKEN)),
        config("mine", number=2, instruments=(OTHER_TOKEN,)),
        processors={"mine": offering(calls, "shutdown")},
    )
    rig.feed(tick())
    assert len(rig.made) == 2
    rig.runner.stop()
    rig.runner.stop()
    assert calls.count("shutdown") == 2


def test_a_partition_that_goes_shuts_down_its_own_processors_only():
    made_calls: list[str] = []
    rig = start(
        config("mine", instruments=(TOKEN, OTHER_TOKEN)),
        processors={"mine": offering(made_calls, "shutdown")},
    )
    other = rig.runner.partition(topic_id="topic-a", partition=9)
    rig.feed(tick())
    other.process(tick(token=OTHER_TOKEN), 0)
    rig.runner.release(rig.partition)
    rig.runner.release(rig.partition)
    assert made_calls.count("shutdown") == 1
    assert len(other.process(tick(token=OTHER_TOKEN), 1)) == 1
    rig.runner.stop()
    assert made_calls.count("shutdown") == 2


def test_a_partition_that_comes_back_gets_new_processors():
    rig = start(config("mine"), processors={"mine": offering([])})
    rig.feed(tick())
    rig.runner.release(rig.partition)
    again = rig.runner.partition(topic_id="topic-a", partition=3)
    again.process(tick(), 1)
    assert len(rig.made) == 2


def test_a_model_digest_that_cannot_be_read_leaves_signals_without_one(caplog):
    class Undigested(Talker):
        @property
        def model_digest(self) -> str:
            raise RuntimeError("not loaded")

    rig = start(config("mine"), processors={"mine": Undigested})
    assert [said[0].model_digest for said in rig.feed(tick())] == [None]
    assert "model_digest failed: RuntimeError: not loaded" in caplog.text
