"""What passes through the whole system, and what happens to what cannot."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.timestamps import to_micros
from algo_panda.ingest.synthetic import SyntheticSource
from tests.support.naive import next_tick_fills
from tests.support.reference import uninterrupted
from tests.support.system import System

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
TOKENS = (1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008)


def rules_rsi(*tokens: int, number: int = 1, **settings: object) -> StrategyConfig:
    given = {"active_brokers": ("paper",), "parameters": {"period": 5}, **settings}
    return StrategyConfig(
        id=UUID(int=number), strategy_type="rules_rsi", instruments=tokens, **given
    )


def rising(token: int, count: int) -> list[MarketTick]:
    """Ticks that go up by one each: every one from the sixth on is overbought."""
    return [
        MarketTick.of(
            instrument_token=token, event_time=START + timedelta(seconds=n), last_price=100 + n
        )
        for n in range(count)
    ]


def synthetic(count: int) -> list[MarketTick]:
    source = SyntheticSource(
        instruments=TOKENS, ticks=count, seed=11, start=START, ticks_per_second=50
    )
    return [row.tick for row in source]


def test_a_day_of_spy_passes_with_nothing_lost(system: System, spy_trades: Path) -> None:
    system.add(rules_rsi(1002, parameters={"period": 14}))
    published = system.publish_file(spy_trades)
    system.start("runner", "risk", "router", "paper")
    system.wait_until_settled(published)

    assert published == 250_601
    ticks = system.records("ticks")
    assert len(ticks) == published
    signals = system.values("signals")
    assert len({s.signal_id for s in signals}) == len(signals) > 10_000
    orders, executions = system.values("orders"), system.values("executions")
    assert [o.signal_id for o in orders] == [s.signal_id for s in signals]
    accepted = [e.client_order_id for e in executions if e.status == "ACCEPTED"]
    assert Counter(accepted) == Counter(o.client_order_id for o in orders)
    fills = [e for e in executions if e.status == "FILLED"]
    assert len(executions) == len(accepted) + len(fills)
    filled = {f.client_order_id: (f.event_time, f.last_price) for f in fills}
    assert filled == next_tick_fills(orders, ticks)
    assert len(filled) == len(fills) >= len(orders) - 1
    dead_letters = (name for name in system.partitions if name.endswith(".dlq"))
    for topic in ("rejections", *dead_letters):
        assert system.records(topic) == []


def test_a_worker_that_stops_hands_over_without_skipping_a_tick(system: System) -> None:
    config = rules_rsi(*TOKENS)
    system.add(config)
    ticks = synthetic(60_000)
    first, _ = system.start("runner", "runner")
    system.wait(
        "both own partitions",
        lambda: all(
            ("panda_assigned_partitions", frozenset()) in w.metrics()
            and w.metric("panda_assigned_partitions") == 2
            for w in system.workers
        ),
    )
    published = system.publish(ticks[:30_000])
    assert first.stop() == 0
    published += system.publish(ticks[30_000:])
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == published)

    expected = uninterrupted(system, [config], system.records("ticks"))
    signals = system.values("signals")
    assert {s.signal_id: s for s in signals} == expected
    assert len(expected) > 1_000
    # A clean stop checkpoints: nothing is even sent twice.
    assert len(signals) == len(expected)


def test_what_cannot_be_used_becomes_a_dead_letter_and_stops_nobody(system: System) -> None:
    system.add(rules_rsi(1001))
    good = rising(1001, 8)
    encode = system.codecs.ticks.encode
    partition = {"partition": 0}
    bad = {
        b"not avro": "WRONG_MAGIC_BYTE",
        b"\x00\x00\x00\x00\x63abc": "UNKNOWN_SCHEMA_ID",
        encode(good[0])[:-2]: "UNDECODABLE",
        b"": "TOO_SHORT",
    }
    system.publish(good[:4])
    for value in bad:
        system.send("ticks", value, b"1001", **partition)
    system.send("ticks", encode(good[0]), b"1002", **partition)  # the key is another token's
    system.publish(good[4:])
    system.send("signals", b"no signal", b"1001")
    system.send("orders", b"no order", b"paper")
    system.start("runner", "risk", "router", "paper")
    system.wait_until_settled(len(good) + len(bad) + 1)

    letters = system.records("ticks.dlq")
    codes = [letter.headers["panda.dlq.error.code"].decode() for letter in letters]
    assert [(letter.value or b"", code) for letter, code in zip(letters, codes, strict=True)][
        :4
    ] == list(bad.items())
    assert codes[4:] == ["KEY_MISMATCH"]
    assert all(letter.headers["panda.dlq.topic"].endswith(b"ticks") for letter in letters)
    assert len(system.values("signals.dlq")) == len(system.values("orders.dlq")) == 1
    fills = [e for e in system.values("executions") if e.status == "FILLED"]
    assert [f.event_time for f in fills] == [t.event_time for t in good[6:]]  # each the tick after


def test_an_order_for_a_broker_that_is_not_there_is_refused_and_not_dropped(
    system: System,
) -> None:
    system.add(
        rules_rsi(1001, active_brokers=None, zerodha_trading_enabled=True),
        rules_rsi(1001, number=2, active_brokers=()),
    )
    # No broker but paper accepts signals of past ticks.
    age_us = to_micros(datetime.now(UTC)) - to_micros(START)
    ticks = [tick._replace(event_time_us=tick.event_time_us + age_us) for tick in rising(1001, 8)]
    published = system.publish(ticks)
    system.start("runner", "risk", "router", "paper")
    system.wait_until_settled(published)

    assert len(system.values("signals")) == 6
    orders = system.values("orders")
    assert [o.broker for o in orders] == ["zerodha"] * 3
    rejections = system.values("rejections")
    assert [(r.code, r.broker) for r in rejections] == [("BROKER_UNAVAILABLE", "zerodha")] * 3
    executions = system.values("executions")
    assert [e.status for e in executions] == ["REJECTED"] * 3
    assert "paper" in rejections[0].reason


def test_the_kill_switch_halts_running_workers(system: System) -> None:
    system.add(rules_rsi(1001))
    system.start("runner", "risk", "router", "paper")
    published = system.publish(rising(1001, 8))
    system.wait_until_settled(published)
    assert len(system.values("orders")) == 3

    unset = system.panda("control", "show")
    assert (unset.stdout, unset.stderr) == (
        "",
        "no state was set for any account: every account is ACTIVE\n",
    )
    assert system.panda("control", "show", "--json").stdout == ""
    halted = system.panda("control", "halt", "--reason", "a test")
    assert halted.returncode == 0, halted.stderr
    system.wait(
        "the workers have heard",
        lambda: all("HALTED" in w.log.read_text() for w in system.workers[1:3]),
    )
    later = [tick._replace(event_time_us=tick.event_time_us + 10**8) for tick in rising(1001, 10)]
    published += system.publish(later[8:])
    system.wait_until_settled(published)

    assert len(system.values("signals")) == 5
    assert len(system.values("orders")) == 3
    rejections = system.values("rejections")
    assert [r.code for r in rejections] == ["TRADING_HALTED"] * 2
    shown = json.loads(system.panda("control", "show", "--json").stdout)
    assert (shown["account"], shown["state"], shown["reason"]) == ("*", "HALTED", "a test")


def test_open_paper_orders_are_not_filled_while_their_account_is_halted(system: System) -> None:
    system.add(rules_rsi(1001))
    ticks = rising(1001, 11)  # at 100, 101, ... 110; from the sixth on, each causes an order
    system.start("runner", "risk", "router", "paper")

    def set_to(command: str, state: str) -> None:
        before = [w.log.read_text().count(state) for w in system.workers]
        assert system.panda("control", command).returncode == 0
        system.wait(
            "risk, router and the paper venue have read it",
            lambda: all(
                w.log.read_text().count(state) > n
                for w, n in zip(system.workers[1:], before[1:], strict=True)
            ),
        )

    published = system.publish(ticks[:8])
    system.wait_until_settled(published)
    set_to("halt", "is HALTED")
    published += system.publish(ticks[8:10])
    system.wait_until_settled(published)
    assert fill_prices(system) == [106, 107]  # the order of the tick at 107 is open
    set_to("resume", "is ACTIVE")
    published += system.publish(ticks[10:])
    system.wait_until_settled(published)
    system.wait("the order that was open is filled", lambda: len(fill_prices(system)) == 3)

    assert fill_prices(system) == [106, 107, 110]
    assert [r.code for r in system.values("rejections")] == ["TRADING_HALTED"] * 2
    orders = system.values("orders")
    assert [int(order.reference_price) for order in orders] == [105, 106, 107, 110]


def fill_prices(system: System) -> list[int]:
    return [int(e.last_price) for e in system.values("executions") if e.status == "FILLED"]


def test_state_survives_a_clean_restart(system: System) -> None:
    config = rules_rsi(*TOKENS, parameters={"period": 14})
    system.add(config)
    ticks = synthetic(4_000)
    published = 0
    for part in (ticks[:1_000], ticks[1_000:1_010], ticks[1_010:]):
        published += system.publish(part)
        (worker,) = system.start("runner")
        with system.monitor() as monitor:
            so_far = published
            system.wait("these", lambda m=monitor, n=so_far: m._processed("runner", "ticks") == n)
        assert worker.stop() == 0

    signals = {s.signal_id: s for s in system.values("signals")}
    assert signals == uninterrupted(system, [config], system.records("ticks"))
