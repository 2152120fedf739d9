"""A worker that is started again rebuilds strategies without a snapshot from the topic."""

import json
import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.status import StrategyState
from tests.support.system import System, WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
TOKENS = (1001, 1002)
ALL, RECENT = UUID(int=1), UUID(int=2)

STRATEGIES = '''
from algo_panda import SignalResult, SignalType


class Counting:
    """Remembers all, or the last so many; what it says shows it."""

    history_size = 2

    def __init__(self, warmup_ticks=None):
        self.warmup_ticks = warmup_ticks
        self.prices = []

    def process_tick(self, tick, history):
        self.prices = [*self.prices, tick.last_price][-(self.warmup_ticks or 10**6) :]
        return SignalResult(
            signal_type=SignalType.HOLD,
            confidence=0.5,
            quantity=0,
            price=tick.last_price,
            reasoning=f"{len(self.prices)} {sum(self.prices)} {len(history)}",
        )


def create_counting(config, context):
    return Counting(**config.processor_parameters)
'''


@pytest.fixture
def system(
    tmp_path: Path, kafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Generator[System]:
    (tmp_path / "counting_strategy.py").write_text(STRATEGIES)
    processors = {"counting": "counting_strategy.create_counting"}
    monkeypatch.setenv("PANDA_PROCESSORS", json.dumps(processors))
    monkeypatch.syspath_prepend(tmp_path)
    running = System(tmp_path, kafka.bootstrap_servers, topic_prefix)
    running.add(
        *(
            StrategyConfig(
                id=strategy_id,
                strategy_type="counting",
                parameters=parameters,
                instruments=TOKENS,
                active_brokers=(),
            )
            for strategy_id, parameters in ((ALL, {}), (RECENT, {"warmup_ticks": 5}))
        )
    )
    yield running
    running.close()


def publish(system: System, first: int, end: int) -> None:
    """Ticks of both instruments, and in the midst of them a record that is none."""
    key = b"%d" % TOKENS[0]
    system.publish(tick(token, n) for n in range(first, end) for token in TOKENS)
    system.send("ticks", b"no tick", key)


def tick(token: int, number: int) -> MarketTick:
    return MarketTick.of(
        instrument_token=token,
        event_time=START + timedelta(seconds=number),
        last_price=100 + number % 7,
    )


def run_until_processed(system: System, published: int) -> WorkerProcess:
    system.workers.clear()  # those before have ended, each in its own way
    (worker,) = system.start("runner")
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)
    return worker


def said(system: System, strategy_id: UUID, token: int) -> list[str | None]:
    signals = {s.signal_id: s for s in system.values("signals")}
    return [
        signal.reasoning
        for signal in sorted(signals.values(), key=lambda one: one.tick_offset)
        if (signal.strategy_id, signal.instrument_token) == (str(strategy_id), token)
    ]


def expected(count: int, window: int) -> list[str]:
    prices = [100 + number % 7 for number in range(count)]
    lasts = [prices[max(0, at - window) : at] for at in range(1, count + 1)]
    return [f"{len(last)} {sum(last)} {min(at, 2)}" for at, last in enumerate(lasts)]


def restorations(worker: WorkerProcess) -> list[str]:
    text = worker.log.read_text("utf-8", "replace")
    return re.findall(r"partition \d+: (\d+ restored .*? cold.*)", text)


def test_they_go_on_as_if_nothing_had_been(system: System) -> None:
    publish(system, 0, 300)
    worker = run_until_processed(system, 601)
    assert worker.stop() == 0
    publish(system, 300, 320)
    killed = run_until_processed(system, 642)
    assert restorations(killed)
    killed.process.kill()
    killed.process.wait()
    publish(system, 320, 400)
    again = run_until_processed(system, 803)
    assert again.stop() == 0
    for token in TOKENS:
        assert said(system, ALL, token) == expected(400, 10**6)
        assert said(system, RECENT, token) == expected(400, 5)
    lines = restorations(again)
    rebuilt = re.findall(r"(\d+) rebuilt by replay", " ".join(lines))
    assert sum(map(int, rebuilt)) == 4, lines
    assert all(" 0 cold" in line for line in lines), lines
    assert [s for s in system.statuses() if s.status.state is StrategyState.COLD] == []


def test_what_is_no_longer_retained_makes_them_cold_and_that_is_told(
    system: System, kafka_admin: AdminClient
) -> None:
    publish(system, 0, 50)
    worker = run_until_processed(system, 101)
    assert worker.stop() == 0
    name = system.settings.topic("ticks")
    ends = {m.partition(): m.offset() + 1 for m in system.raw("ticks")}
    cut = [TopicPartition(name, partition, end - 30) for partition, end in ends.items()]
    for answer in kafka_admin.delete_records(cut).values():
        answer.result(30)
    publish(system, 50, 60)
    again = run_until_processed(system, 122)
    assert again.metric("panda_cold_starts_total", strategy_type="counting") == 2
    system.wait(
        "the status",
        lambda: len([s for s in system.statuses() if s.status.state is StrategyState.COLD]) == 2,
    )
    shown = system.panda("strategies", "show", str(ALL)).stdout
    assert again.stop() == 0
    assert re.search(r"cold on 100\d.* by .*: it needs 50 ticks, and \d+ are retained", shown), (
        shown
    )
    for token in TOKENS:
        assert said(system, RECENT, token) == expected(60, 5)
        assert said(system, ALL, token) != expected(60, 10**6)
    assert any("(strategy 00000000-0000-0000-0000-000000000001" in x for x in restorations(again))
