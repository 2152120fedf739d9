"""Quarantine, warm-up, and strategies that come and go, over restarts."""

from collections.abc import Sequence
from typing import Any

import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.domain.status import StrategyState
from tests.unit.fakes.processors import HistoryReader, RaisingBelow, Summing, Talker
from tests.unit.fakes.rig import start
from tests.unit.fakes.values import TOKEN, config, tick
from tests.unit.fakes.worker import Worker

FRAGILE = {"fragile": lambda: RaisingBelow(30)}


def test_a_quarantine_outlives_a_restart_and_is_told_again():
    worker = Worker(config("fragile"), processors=FRAGILE, quarantine_after=2)
    worker.feed(tick(1), tick(1))
    worker.checkpoint(2)
    worker.crash()
    assert [len(said) for said in worker.feed(tick(99), first_offset=2)] == [0]
    (stopped,) = worker.rig.status.in_state(StrategyState.QUARANTINED)
    assert stopped.instrument_token == TOKEN
    assert "2 failures in a row" in (stopped.reason or "")


def test_a_burst_of_failures_goes_on_over_a_restart():
    worker = Worker(config("fragile"), processors=FRAGILE, quarantine_after=3)
    worker.feed(tick(1), tick(1))
    worker.checkpoint(2)
    worker.crash()
    worker.feed(tick(1), first_offset=2)
    assert len(worker.rig.status.in_state(StrategyState.QUARANTINED)) == 1


def test_a_success_after_a_restart_ends_a_burst_of_before_it():
    worker = Worker(config("fragile"), processors=FRAGILE, quarantine_after=3)
    worker.feed(tick(1), tick(1))
    worker.checkpoint(2)
    worker.crash()
    worker.feed(tick(99), tick(1), tick(1), first_offset=2)
    assert worker.rig.status.in_state(StrategyState.QUARANTINED) == []


def test_a_quarantined_strategy_is_not_asked_for_its_state_and_not_given_one():
    class Broken(Summing):
        def process_tick(self, current: Any, history: Any, /) -> Any:
            raise RuntimeError("broken")

        def snapshot(self) -> bytes:
            raise AssertionError("asked")

        def restore(self, state: bytes, /) -> None:
            raise AssertionError("given")

    old = start(config("broken"), processors={"broken": Broken}, quarantine_after=1)
    old.feed(tick(5))
    (record,) = old.partition.changed_records()
    assert record.strategies[0].processor is None
    new = start(config("broken"), processors={"broken": Broken}, quarantine_after=1)
    new.partition.restore([record])
    assert [one.reason for one in new.status.in_state(StrategyState.QUARANTINED)] == [
        record.strategies[0].quarantine_reason
    ]


class Warmed(Talker):
    """Remembers what it was warmed up with."""

    history_size = 3
    given: Any = None

    def warmup(self, history: Sequence[MarketTick], /) -> None:
        self.given = list(history)


def test_a_warm_up_gets_what_a_tick_would_and_nothing_of_a_neighbours():
    processors = {"warmed": Warmed, "reader": lambda: HistoryReader(50)}
    warmed, reader = config("warmed", number=1), config("reader", number=2)
    old = start(reader, processors=processors)
    old.feed(*(tick(price) for price in range(1, 11)))
    middle = start(warmed, reader, processors=processors)
    middle.partition.restore(old.partition.changed_records())
    middle.feed(tick(11), tick(12), first_offset=10)
    assert middle.made[0].given == []
    for so_far, expected in ((12, [11, 12]), (20, [18, 19, 20])):
        middle.feed(*(tick(price) for price in range(13, so_far + 1)), first_offset=12)
        new = start(warmed, reader, processors=processors)
        new.partition.restore(middle.partition.changed_records())
        assert new.made[0].given == [tick(price) for price in expected]


@pytest.mark.parametrize("neighbour", [(), (config("summing", number=2),)])
def test_a_strategy_that_was_away_while_ticks_passed_starts_anew(neighbour):
    gone = config("reader", number=1)
    processors = {"reader": lambda: HistoryReader(3), "summing": Summing}
    kept: dict[int, Any] = {}

    def run(*configs: Any, price: int, offset: int) -> list[str | None]:
        rig = start(*configs, processors=processors)
        rig.partition.restore(kept.values())
        (said,) = rig.reasons(tick(price), first_offset=offset)
        kept.update({one.instrument_token: one for one in rig.partition.changed_records()})
        return said

    assert run(gone, *neighbour, price=1, offset=0)[0] == ""
    assert run(gone, *neighbour, price=2, offset=1)[0] == "1"
    run(*neighbour, price=3, offset=2)
    assert run(gone, *neighbour, price=4, offset=3)[0] == ""
    assert run(gone, *neighbour, price=5, offset=4)[0] == "4"


def test_a_strategy_that_was_away_while_no_tick_passed_goes_on():
    processors = {"reader": lambda: HistoryReader(3)}
    old = start(config("reader"), processors=processors)
    old.feed(tick(1), tick(2))
    records = list(old.partition.changed_records())
    away = start(processors=processors)
    away.partition.restore(records)
    assert list(away.partition.changed_records()) == []
    back = start(config("reader"), processors=processors)
    back.partition.restore(records)
    assert back.reasons(tick(3), first_offset=2) == [["1,2"]]
