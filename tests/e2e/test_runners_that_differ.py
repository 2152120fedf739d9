"""A runner that cannot run what the others run leaves; the others go on, and nothing is lost."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.store.database import Database
from algo_panda.store.migrate import upgrade
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
TOKENS = (1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008)
ECHO = """
from algo_panda import SignalResult, SignalType


class Echo:
    warmup_ticks = 0
    history_size = 0

    def process_tick(self, tick, history):
        return SignalResult(
            signal_type=SignalType.HOLD, confidence=1.0, quantity=1, price=tick.last_price
        )


def create_processor(parameters):
    return Echo()
"""
PROCESSORS = {"PANDA_PROCESSORS": json.dumps({"echo": "echo.create_processor"})}
STRATEGY = UUID(int=1)


def ticks(first: int, count: int) -> list[MarketTick]:
    return [
        MarketTick.of(
            instrument_token=token,
            event_time=START + timedelta(seconds=n),
            last_price=100 + n,
        )
        for n in range(first, first + count)
        for token in TOKENS
    ]


@pytest.fixture
def echoing(system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """A system whose strategy is of a type that not every worker knows; its runner is up."""
    (system.folder / "echo.py").write_text(ECHO)
    monkeypatch.syspath_prepend(str(system.folder))
    system.settings = system.settings.model_copy(
        update={"processors": {"echo": "echo.create_processor"}}
    )
    system.add(StrategyConfig(id=STRATEGY, strategy_type="echo", instruments=TOKENS))
    system.start("runner", env=PROCESSORS)
    system.publish(ticks(0, 5))
    system.wait("the first signals", lambda: len(system.records("signals")) == 5 * len(TOKENS))
    return system


@pytest.mark.parametrize("lack", ["the type", "the row"])
def test_a_runner_that_lacks_a_strategy_leaves_and_says_so(echoing: System, lack: str) -> None:
    other = dict(PROCESSORS)
    if lack == "the type":
        other = {}
        problem = "unknown strategy type 'echo'"
    else:
        url = f"sqlite:///{echoing.folder / 'another.db'}"
        with Database(url) as database:
            upgrade(database)
        other["PANDA_DATABASE_URL"] = url
        problem = "the database has no such row"
    (foreign,) = echoing.start("runner", env=other)
    echoing.until("its end", lambda: foreign.process.poll() is not None)
    assert foreign.process.returncode == 3
    last = foreign.log.read_text().splitlines()[-1]
    assert "runs strategies that this worker cannot run: 00000000-" in last
    assert f"(echo, version 1): {problem}" in last
    echoing.workers.remove(foreign)

    echoing.publish(ticks(5, 5))
    echoing.wait("all signals", lambda: len(echoing.records("signals")) == 10 * len(TOKENS))
    ids = {signal.signal_id for signal in echoing.values("signals")}
    assert len(ids) == 10 * len(TOKENS)
    # Nothing was switched off in between.
    assert all(activation.active for activation in echoing.values("activations"))


def test_a_strategy_that_is_disabled_ends_at_the_next_start(echoing: System) -> None:
    (first,) = echoing.workers
    with echoing.repository() as repository:
        assert repository.disable(STRATEGY)
    assert first.stop() == 0
    (second,) = echoing.start("runner", env=PROCESSORS)
    partitions = echoing.partitions["ticks"]
    echoing.wait(
        "its end on every partition",
        lambda: sum(not a.active for a in echoing.values("activations")) == partitions,
    )
    assert second.stop() == 0
