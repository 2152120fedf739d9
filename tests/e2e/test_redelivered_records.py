"""Redelivered, misplaced and old records on real topics: nothing twice, nothing swallowed."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from confluent_kafka import TopicPartition

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.kafka.admin import connect, delete_topics
from algo_panda.risk.ledger import LedgerRecord
from algo_panda.streaming.state_codec import RiskStateCodec
from algo_panda.wire.catalogue import load_catalogue
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

TOKEN = 1001
START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
OVERBOUGHT = 6
"""RSI over 5 ticks of rising prices is above 70 from the sixth tick on."""


def strategy() -> StrategyConfig:
    return StrategyConfig(
        id=UUID(int=1),
        strategy_type="rules_rsi",
        instruments=(TOKEN,),
        active_brokers=("paper",),
        parameters={"period": 5},
    )


def rising(first: int, count: int) -> list[MarketTick]:
    return [
        MarketTick.of(
            instrument_token=TOKEN,
            event_time=START + timedelta(seconds=n),
            last_price=100 + n,
            last_traded_quantity=1,
        )
        for n in range(first, first + count)
    ]


def send(system: System, ticks: list[MarketTick], partition: int) -> None:
    for one in ticks:
        value = system.codecs.ticks.encode(one)
        system.send("ticks", value, b"%d" % TOKEN, partition=partition)


def position(system: System) -> int:
    """The position in risk's checkpoint."""
    codec = RiskStateCodec(load_catalogue())
    state = {m.key(): m.value() for m in system.raw("risk-state-changelog") if m.value()}
    records = [codec.decode(value) for key, value in state.items() if key.startswith(b"ledger|")]
    return sum(sum(r.positions.values()) for r in records if isinstance(r, LedgerRecord))


def filled(system: System) -> int:
    """The sum of the fills, each execution once."""
    reports = {e.execution_id: e for e in system.values("executions")}
    return sum(e.side.sign * e.last_quantity for e in reports.values())


def home_of_the_token(system: System) -> int:
    (home,) = {record.partition for record in system.records("signals")}
    return home


def test_records_that_come_again_change_nothing(system: System) -> None:
    system.add(strategy())
    system.start("runner", "risk", "router", "paper")
    ticks = rising(0, 31)
    system.publish(ticks[:30])
    # The last order waits for a tick.
    system.until("24 fills", lambda: filled(system) == -(30 - OVERBOUGHT))
    orders = Counter(o.client_order_id for o in system.values("orders"))
    for topic in ("signals", "orders", "paper-orders", "executions"):
        for record in system.raw(topic):
            system.send(topic, record.value(), record.key(), partition=record.partition())
    system.publish(ticks[30:])

    # Behind all the repetitions, so these were processed.
    system.wait("the fill of the last order", lambda: position(system) <= -(31 - OVERBOUGHT))
    assert position(system) == filled(system) == -(31 - OVERBOUGHT)
    again = Counter(o.client_order_id for o in system.values("orders"))
    # Each of the first orders is there once from risk, and once because this test repeated it.
    assert {name: again[name] for name in orders} == {name: 2 * n for name, n in orders.items()}
    assert len(again) == len(orders) + 1
    executions = Counter(e.execution_id for e in system.values("executions"))
    assert max(executions.values()) == 2
    assert system.values("rejections") == []
    system.wait_until_settled(len(ticks))
    assert system.money_differences(may_repeat=True) == []
    assert system.runner_differences() == []
    system.is_settled = False  # compared already


def test_every_signal_of_a_misplaced_tick_is_answered(system: System) -> None:
    """An instrument in two partitions: as a producer with another partitioner leaves it."""
    system.add(strategy())
    system.start("runner", "risk", "router", env={"PANDA_MISPLACED_TICKS": "process"})
    system.publish(rising(0, 12))
    system.until("the signals", lambda: len(system.records("signals")) == 12 - OVERBOUGHT + 1)
    home = home_of_the_token(system)
    send(system, rising(0, 9), (home + 1) % system.partitions["ticks"])
    system.publish(rising(12, 1))
    expected = (12 - OVERBOUGHT + 1) + (9 - OVERBOUGHT + 1) + 1
    system.wait("all signals", lambda: len(system.records("signals")) == expected)

    def answered() -> set[str]:
        answers = [*system.values("orders"), *system.values("rejections")]
        return {one.signal_id for one in answers}

    signals = {s.signal_id for s in system.values("signals")}
    assert len(signals) == expected
    system.wait("an answer to each", lambda: answered() == signals)


def test_misplaced_ticks_become_dead_letters_and_can_be_replayed(system: System) -> None:
    system.add(strategy())
    system.start("runner")
    ticks = rising(0, 12)
    system.publish(ticks[:6])
    system.until("the first signal", lambda: len(system.records("signals")) == 1)
    home = home_of_the_token(system)
    wrong = (home + 1) % system.partitions["ticks"]
    send(system, ticks[6:], wrong)
    system.wait("the dead letters", lambda: len(system.records("ticks.dlq")) == 6)
    for letter in system.records("ticks.dlq"):
        assert letter.headers["panda.dlq.error.code"] == b"MISPLACED_KEY"
        assert letter.headers["panda.dlq.partition"] == str(wrong).encode()

    done = system.panda("dlq", "replay", "--yes")
    assert done.returncode == 0, done.stderr
    system.wait("their signals", lambda: len(system.records("signals")) == 7)
    assert {record.partition for record in system.records("signals")} == {home}


def test_signals_of_past_ticks_are_rejected_unless_paper_accepts_them(system: System) -> None:
    system.add(strategy())
    refuse = {"PANDA_PAPER_ACCEPTS_PAST_TICKS": "false", "PANDA_SIGNAL_TTL_SECONDS": "60"}
    system.start("runner")
    (risk,) = system.start("risk", env=refuse)
    system.publish(rising(0, 10))
    system.wait("the rejections", lambda: len(system.records("rejections")) == 5)
    assert {r.code for r in system.values("rejections")} == {"EXPIRED"}
    assert "set PANDA_PAPER_ACCEPTS_PAST_TICKS=true" in system.values("rejections")[0].reason
    assert system.records("orders") == []
    # Whoever looks at the worker alone is told as well.
    assert "EXPIRED" in risk.log.read_text()


def test_a_backlog_of_signals_and_orders_is_rejected(system: System) -> None:
    """Risk, and then the router, start when the records that wait for them are too old."""
    system.add(strategy())
    (runner,) = system.start("runner")
    system.publish(rising(0, 10))
    system.until("the signals", lambda: len(system.records("signals")) == 5)
    runner.stop()

    def age(topic: str) -> float:
        return time.time() - max(m.timestamp()[1] for m in system.raw(topic)) / 1000

    system.until("old signals", lambda: age("signals") > 2)
    system.start("risk", env={"PANDA_SIGNAL_TTL_SECONDS": "2"})
    system.wait("the rejections", lambda: len(system.records("rejections")) == 5)
    assert {r.code for r in system.values("rejections")} == {"EXPIRED"}
    assert system.records("orders") == []

    system.start("runner")
    (other,) = system.start("risk")  # takes over from the first one
    system.workers[1].stop()
    system.publish(rising(10, 3))
    system.wait("orders", lambda: len(system.records("orders")) == 3)
    system.until("old orders", lambda: age("orders") > 2)
    system.start("router", env={"PANDA_SIGNAL_TTL_SECONDS": "2"})
    system.wait("their ends", lambda: len(system.records("executions")) == 3)
    assert {e.status for e in system.values("executions")} == {"REJECTED"}
    stages = Counter((r.stage, r.code) for r in system.values("rejections"))
    assert stages == {("risk", "EXPIRED"): 5, ("router", "EXPIRED"): 3}
    assert other.stop() == 0


def test_a_paper_venue_that_lost_its_state_fills_no_old_order_again(system: System) -> None:
    """Its changelog was deleted, as some errors advise, an hour after the orders were sent."""
    system.add(strategy())
    *_, paper = system.start("runner", "risk", "router", "paper")
    system.publish(rising(0, 30))
    system.until("24 fills", lambda: filled(system) == -(30 - OVERBOUGHT))
    assert paper.stop() == 0
    system.workers.remove(paper)
    executions = Counter(e.execution_id for e in system.values("executions"))

    name, admin = system.settings.topic("paper-orders"), connect(system.connection)
    orders = system.raw("paper-orders")
    (home,) = {record.partition() for record in orders}
    end = TopicPartition(name, home, max(record.offset() for record in orders) + 1)
    admin.delete_records([end])[end].result(30)
    for record in orders:
        before = record.timestamp()[1] - 3_600_000
        system.send("paper-orders", record.value(), record.key(), partition=home, timestamp=before)
    delete_topics(admin, [system.settings.topic("paper-state-changelog")])
    applied = system.panda("topics", "apply")
    assert applied.returncode == 0, applied.stderr
    # The system's own time to live is a day; the venue's limit is never below ten minutes.
    system.start("paper", env={"PANDA_SIGNAL_TTL_SECONDS": "60"})

    def ended() -> set[str]:
        return {e.client_order_id for e in system.values("executions") if e.status == "EXPIRED"}

    system.wait("the end of each", lambda: len(ended()) == len(orders))
    system.publish(rising(30, 5))
    system.wait("fills of new orders", lambda: filled(system) <= -(30 - OVERBOUGHT) - 3)
    again = Counter(e.execution_id for e in system.values("executions"))
    assert {name: again[name] for name in executions} == executions
