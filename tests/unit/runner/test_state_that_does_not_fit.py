"""A recorded state that does not fit is discarded whole, with a warning."""

import struct
from typing import Any

import pytest

from algo_panda.domain.status import StrategyState
from tests.unit.fakes.processors import BarReader, HistoryReader, Summing
from tests.unit.fakes.rig import Rig, start
from tests.unit.fakes.values import TOKEN, config, tick
from tests.unit.fakes.worker import restore

WHO = f"strategy 00000000-0000-0000-0000-000000000001 on {TOKEN}: "


def carried_over(before: Any, after: Any, processors: Any, *prices: int) -> Rig:
    """Run ``before`` on some ticks, then start ``after`` from its records."""
    old = start(before, processors=processors)
    old.feed(*(tick(price) for price in prices))
    new = start(after, processors=processors)
    log = {offset: tick(price) for offset, price in enumerate(prices)}
    restore(new.partition, old.partition.changed_records(), log)
    return new


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]


def test_a_changed_configuration_starts_anew_with_a_warning(caplog):
    processors = {"summing": Summing, "reader": lambda: HistoryReader(3)}
    rig = carried_over(config("summing"), config("summing", parameters={"a": 1}), processors, 5, 6)
    assert warnings(caplog) == [WHO + "its configuration changed; it starts anew"]
    assert rig.reasons(tick(1)) == [["1: 100000000"]]
    rig = carried_over(config("reader"), config("reader", parameters={"a": 1}), processors, 5, 6)
    assert rig.reasons(tick(1), tick(2)) == [[""], ["1"]]


def test_a_new_version_that_changes_nothing_goes_on(caplog):
    processors = {"summing": Summing}
    rig = carried_over(config("summing"), config("summing", version=2), processors, 5, 6)
    assert warnings(caplog) == []
    assert rig.reasons(tick(1)) == [["3: 1200000000"]]


class HalfReading(Summing):
    """Takes part of a state before it finds that it cannot use it; was let go once it was."""

    error: Exception = ValueError("of another version")

    def __init__(self) -> None:
        super().__init__()
        self.shut = False

    def restore(self, state: bytes, /) -> None:
        self.count = 1000
        raise self.error

    def shutdown(self) -> None:
        self.shut = True


@pytest.mark.parametrize(
    "error", [ValueError("of another version"), struct.error("too short"), KeyError("count")]
)
def test_a_snapshot_that_does_not_fit_is_discarded_and_never_half_used(caplog, error):
    processors = {"half": type("Half", (HalfReading,), {"error": error})}
    rig = carried_over(config("half"), config("half"), processors, 5, 6)
    assert warnings(caplog) == [f"{WHO}its snapshot does not fit: {error}; it is rebuilt"]
    assert rig.reasons(tick(1)) == [["3: 1200000000"]]
    assert [one.shut for one in rig.made] == [True, False]


def test_bars_that_do_not_fit_have_the_whole_strategy_rebuilt(caplog):
    old = start(config("bars"), processors={"bars": BarReader})
    log = (tick(5, seconds=0), tick(6, seconds=70))
    old.feed(*log)
    (record,) = old.partition.changed_records()
    (state,) = record.strategies
    rig = start(config("bars"), processors={"bars": BarReader})
    damaged = record._replace(strategies=(state._replace(bars=b"\x63"),))
    restore(rig.partition, [damaged], dict(enumerate(log)))
    assert "its bars do not fit: bar state is of another version" in warnings(caplog)[0]
    assert rig.reasons(tick(7, seconds=80)) == [["09:15:00 5 5 5 5 1"]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(RuntimeError("no disk"), "RuntimeError: no disk"), ("text", "TypeError: it returned str")],
)
def test_a_snapshot_that_fails_is_reported_and_changes_no_signal(caplog, answer, reason):
    class Unkept(Summing):
        fails = True

        def snapshot(self) -> Any:
            if not self.fails:
                return super().snapshot()
            if isinstance(answer, Exception):
                raise answer
            return answer

    rig = start(
        config("unkept", number=1),
        config("summing", number=2),
        processors={"unkept": Unkept, "summing": Summing},
    )
    rig.feed(tick(5))
    (record,) = rig.partition.changed_records()
    unkept, summing = record.strategies
    assert (unkept.processor, unkept.quarantine_reason) == (None, None)
    assert summing.processor is not None
    assert rig.reasons(tick(6), first_offset=1) == [["2: 1100000000"] * 2]
    assert len(list(rig.partition.changed_records())) == 1  # it fails again, and is only counted
    rig.made[0].fails = False
    assert rig.reasons(tick(7), first_offset=2) == [["3: 1800000000"] * 2]
    (record,) = rig.partition.changed_records()
    assert record.strategies[0].processor is not None
    assert rig.telemetry.of("snapshot_failed") == ["unkept", "unkept"]
    began, ended = warnings(caplog)
    assert began.startswith(f"{WHO}snapshot failed: {reason}")
    assert "rebuilt from ticks" in began
    assert ended == f"{WHO}snapshot works again"
    said = [(one.state, one.reason) for one in rig.status.reported if one.instrument_token]
    assert [state for state, _ in said] == [StrategyState.REGISTERED] * 2
    assert (said[0][1] or "").startswith(f"snapshot failed: {reason}")
    assert said[1][1] is None


def test_ticks_of_any_quantity_can_be_written_down():
    rig = start(config("bars"), processors={"bars": BarReader})
    rig.feed(tick(5, quantity=2**63 - 1), tick(6, quantity=2**63 - 1))
    again = start(config("bars"), processors={"bars": BarReader})
    again.partition.restore(rig.partition.changed_records())
    again.feed(tick(7, seconds=60), first_offset=2)
    assert again.made[-1].bars == [f"09:15:00 5 6 5 6 {2**64 - 2}"]
