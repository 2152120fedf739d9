"""In a real worker: what a strategy changes for the whole process harms neither it nor others."""

import json
import signal
import sys
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.streaming.stopping import STOP_SECONDS
from tests.support.system import System, WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
TOKEN = 1001
OTHER = 1003
"""On another partition. Its strategies are made when its first tick comes."""
CHANGING, NEIGHBOUR, LATER = UUID(int=1), UUID(int=2), UUID(int=3)
FIRST, SECOND = 5, 5
PRICE = "12358.01567"
"""12345.67 * 1.001, by hand."""

STRATEGIES = """
import decimal
import logging
import logging.config
import os
import signal
import socket
import sys
from decimal import Decimal
from pathlib import Path

from algo_panda import SignalResult, SignalType


class Changing:
    history_size = 0

    def process_tick(self, tick, history):
        decimal.getcontext().prec = 4
        decimal.getcontext().traps[decimal.Inexact] = True
        logging.config.dictConfig({"version": 1, "root": {"level": "CRITICAL"}})
        logging.disable(logging.CRITICAL)
        logging.basicConfig(force=True, level=logging.CRITICAL)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir("/")
        socket.setdefaulttimeout(0.001)
        sys.stdout.close()
        sys.stderr.close()
        raise KeyboardInterrupt("as a library may")


class Neighbour:
    history_size = 0

    def __init__(self, parameters):
        self.text = Path(parameters["file"]).read_text()

    def process_tick(self, tick, history):
        price = tick.last_price * Decimal("1.001")
        return SignalResult(SignalType.HOLD, 0.5, 0, price, f"{self.text} {Decimal(1) / 3}")


def create_changing(parameters):
    return Changing()


def create_neighbour(parameters):
    return Neighbour(parameters)
"""


@pytest.fixture
def system(
    tmp_path: Path, kafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Generator[System]:
    (tmp_path / "changing_strategies.py").write_text(STRATEGIES)
    (tmp_path / "beside.txt").write_text("read")
    processors = {name: f"changing_strategies.create_{name}" for name in ("changing", "neighbour")}
    monkeypatch.setenv("PANDA_PROCESSORS", json.dumps(processors))
    monkeypatch.setenv("PANDA_QUARANTINE_AFTER", "3")
    monkeypatch.delitem(sys.modules, "changing_strategies", raising=False)  # of another folder
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    running = System(tmp_path, kafka.bootstrap_servers, topic_prefix)
    running.add(
        strategy(CHANGING, "changing", (TOKEN,)),
        strategy(NEIGHBOUR, "neighbour", (TOKEN, OTHER)),
        strategy(LATER, "neighbour", (TOKEN,)),
    )
    yield running
    running.close()


def strategy(number: UUID, kind: str, instruments: tuple[int, ...]) -> StrategyConfig:
    return StrategyConfig(
        id=number,
        strategy_type=kind,
        parameters={"file": "beside.txt"},
        instruments=instruments,
        active_brokers=(),
    )


def ticks(token: int, first: int, count: int) -> list[MarketTick]:
    return [
        MarketTick.of(
            instrument_token=token,
            event_time=START + timedelta(seconds=number),
            last_price=Decimal("12345.67"),
            volume_traded=number,
        )
        for number in range(first, first + count)
    ]


def processed(system: System, published: int) -> None:
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)


def log_of(worker: WorkerProcess) -> str:
    return worker.log.read_text("utf-8", "replace")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_neighbours_log_and_signals_are_as_without_it(system: System, number: int) -> None:
    (worker,) = system.start("runner", env={"PANDA_DATABASE_URL": "sqlite:///panda.db"})
    system.publish(ticks(TOKEN, 0, FIRST))
    processed(system, FIRST)
    system.publish(ticks(OTHER, 0, SECOND))
    processed(system, FIRST + SECOND)
    system.wait("the warnings", lambda: "took or blocked SIGINT, SIGTERM" in log_of(worker))

    log = log_of(worker)
    assert f"strategy {CHANGING} failed at instrument {TOKEN}" in log
    assert f"strategy {CHANGING} quarantined: 3 failures in a row" in log
    for change in (
        "logging.disable() was called",
        "loggers were disabled",
        "handler was removed from the root logger",
        "the working directory was changed to /",
        "socket.setdefaulttimeout() was called",
    ):
        # The handler that the strategy made writes to the same file, in another form.
        lines = [line for line in log.splitlines() if "program=runner" in line]
        assert sum(change in line for line in lines) == 1, change
    assert worker.metric("panda_strategy_errors_total") == 3
    said = sorted(
        (one.strategy_id, one.instrument_token, one.tick_offset, str(one.price), one.reasoning)
        for one in system.values("signals")
    )
    reason = "read 0." + 28 * "3"
    assert said == sorted(
        (str(who), token, offset, PRICE, reason)
        for who, token, count in (
            (NEIGHBOUR, TOKEN, FIRST),
            (LATER, TOKEN, FIRST),
            (NEIGHBOUR, OTHER, SECOND),
        )
        for offset in range(count)
    )
    began = time.monotonic()
    assert worker.stop(number) == 0
    assert time.monotonic() - began < STOP_SECONDS
    assert "the last checkpoints are written" in log_of(worker)
