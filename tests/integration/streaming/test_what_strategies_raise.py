"""In a real worker: whatever a strategy raises, and however its snapshot fails, no tick is lost."""

import json
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from tests.support.system import System, WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
TOKEN = 1001
ERRORS = ("PanicException", "KeyboardInterrupt", "GeneratorExit", "SystemExit", "CancelledError")
GROWING = 99
AT = 7
"""Number of the tick on which each of them raises."""

STRATEGIES = """
from asyncio import CancelledError

from algo_panda import SignalResult, SignalType


class PanicException(BaseException):
    pass


class Counting:
    history_size = 0

    def __init__(self, parameters):
        self.error = parameters.get("error")
        self.grows = parameters.get("grows", 0)
        self.seen = []

    def process_tick(self, tick, history):
        number = tick.volume_traded
        self.seen.append(number)
        if self.error and number == 7:
            raise eval(self.error)("index out of bounds")
        return SignalResult(SignalType.HOLD, 0.5, 0, tick.last_price, f"{number} {sum(self.seen)}")

    def snapshot(self):
        return repr(self.seen).encode() + b" " * (self.grows * len(self.seen))

    def restore(self, state):
        self.seen = eval(state.decode().strip())


def create_counting(parameters):
    return Counting(parameters)
"""


@pytest.fixture
def system(
    tmp_path: Path, kafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Generator[System]:
    (tmp_path / "raising_strategy.py").write_text(STRATEGIES)
    processors = {"counting": "raising_strategy.create_counting"}
    monkeypatch.setenv("PANDA_PROCESSORS", json.dumps(processors))
    monkeypatch.syspath_prepend(tmp_path)
    running = System(tmp_path, kafka.bootstrap_servers, topic_prefix)
    parameters: dict[int, dict[str, object]] = {
        number: {"error": error} for number, error in enumerate(ERRORS, start=1)
    }
    parameters[GROWING] = {"grows": 100_000}  # above 1 MiB from the 11th tick on
    running.add(
        *(
            StrategyConfig(
                id=UUID(int=number),
                strategy_type="counting",
                parameters=of_one,
                instruments=(TOKEN,),
                active_brokers=(),
            )
            for number, of_one in parameters.items()
        )
    )
    yield running
    running.close()


def ticks(first: int, end: int) -> list[MarketTick]:
    return [
        MarketTick.of(
            instrument_token=TOKEN,
            event_time=START + timedelta(seconds=number),
            last_price=100 + number,
            volume_traded=number,
        )
        for number in range(first, end)
    ]


def run_until_processed(system: System, published: int) -> WorkerProcess:
    system.workers.clear()  # those before have ended
    (worker,) = system.start("runner")
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)
    return worker


def said(system: System, number: int) -> list[str | None]:
    signals = {s.signal_id: s for s in system.values("signals")}
    return [
        signal.reasoning
        for signal in sorted(signals.values(), key=lambda one: one.tick_offset)
        if signal.strategy_id == str(UUID(int=number))
    ]


def test_every_other_tick_reaches_it_and_snapshots_decide_nothing(system: System) -> None:
    system.publish(ticks(0, 20))
    first = run_until_processed(system, 20)
    assert first.metric("panda_strategy_errors_total", strategy_type="counting") == len(ERRORS)
    system.wait(
        "a checkpoint without the snapshot that is too large",
        lambda: first.metric("panda_snapshot_failures_total", strategy_type="counting") >= 1,
    )
    log = first.log.read_text("utf-8", "replace")
    for number, error in enumerate(ERRORS, start=1):
        assert f"strategy {UUID(int=number)} failed at instrument {TOKEN}" in log
        assert error in log
    assert f"strategy {UUID(int=GROWING)} on {TOKEN}: snapshot failed: ValueError: it " in log
    first.process.kill()
    first.process.wait()
    system.publish(ticks(20, 30))
    second = run_until_processed(system, 30)
    assert second.stop() == 0
    lines = second.log.read_text("utf-8", "replace")
    assert f"{len(ERRORS)} restored from snapshot, 1 rebuilt by replay of 20 ticks" in lines
    whole = [f"{number} {sum(range(number + 1))}" for number in range(30)]
    for number in range(1, len(ERRORS) + 1):
        assert said(system, number) == [*whole[:AT], *whole[AT + 1 :]]
    assert said(system, GROWING) == whole
