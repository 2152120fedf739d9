"""What ran live is recorded, replayed from the topic and from the recording, and is the same."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from confluent_kafka import TopicPartition

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.opening import Reading, open_source
from algo_panda.kafka.admin import connect, end_offsets, topics_with_prefix
from algo_panda.kafka.groups import committed_offsets
from algo_panda.replay.fingerprint import RecordHash
from tests.support.system import System
from tests.unit.fakes.values import changed

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

IBM, SPY = 1001, 1002


def strategies() -> list[StrategyConfig]:
    crossing = {"period": 14, "trigger": "cross"}
    return [
        StrategyConfig(
            id=UUID(int=1),
            strategy_type="rules_rsi",
            instruments=(IBM, SPY),
            parameters=crossing,
            active_brokers=("paper",),
        ),
        StrategyConfig(
            id=UUID(int=2),
            strategy_type="hybrid_ml_rsi_filter",
            instruments=(IBM, SPY),
            active_brokers=(),
        ),
        StrategyConfig(
            id=UUID(int=3),
            strategy_type="ml_momentum",
            instruments=(IBM,),
            active_brokers=("paper",),
        ),
    ]


def run(system: System, *arguments: str) -> Mapping[str, Any]:
    done = system.panda(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def traces(system: System) -> Mapping[str, object]:
    """What a replay has to leave as it is: commits, topics, the database."""
    prefix, connection = system.settings.topic_prefix, system.connection
    admin = connect(connection)
    topics = topics_with_prefix(admin, prefix)
    groups = {
        program: committed_offsets(connection, f"{prefix}panda-{program}", topics)
        for program in ("runner", "risk", "router", "paper")
    }
    assert all(groups.values())
    with system.repository() as repository:
        return {"ends": end_offsets(admin, topics), "groups": groups, "rows": repository.list()}


def live_signals(system: System) -> str:
    """The hash of what is on ``signals``, redelivered ones removed."""
    seen: dict[str, Any] = {}
    for message in system.raw("signals"):
        signal = system.codecs.signals.decode(message.value())
        seen.setdefault(signal.signal_id, (signal.tick_partition, signal.tick_offset, message))
    found = RecordHash()
    for partition, _, message in sorted(seen.values(), key=lambda at: at[:2]):
        found.add(partition, [message.value()])
    return found.hexdigest()


def live_executions(system: System) -> set[tuple[object, ...]]:
    return {
        (e.execution_id, e.status.name, e.last_price, e.event_time, e.strategy_id)
        for e in system.values("executions")
    }


def test_a_replay_says_what_was_said_live_and_touches_nothing(
    system: System, ibm_trades: Path, tmp_path: Path
) -> None:
    system.add(*strategies())
    published = system.publish_file(ibm_trades)
    published += system.publish(spy_like(ibm_trades))
    system.start("runner", "risk", "router", "paper")
    system.wait_until_settled(published)
    for worker in system.workers:
        assert worker.stop() == 0
    before = traces(system)

    folder, said = tmp_path / "recording", tmp_path / "said"
    assert run(system, "record", str(folder))["records"] == published
    assert run(system, "record", str(folder))["records"] == 0
    from_topic = run(system, "replay", "--output", str(said))
    from_recording = run(system, "replay", str(folder))

    assert from_topic["outcome"] == from_recording["outcome"] == "complete"
    assert from_topic["ticks"] == published
    assert from_topic["fingerprint"] == from_recording["fingerprint"]
    assert from_topic["fingerprint"]["signals"] == live_signals(system)
    for arguments in ((), (str(folder),)):
        by_two = run(system, "replay", *arguments, "--jobs", "2")
        assert by_two["fingerprint"] == from_topic["fingerprint"]
    executions = pq.read_table(said / "executions.parquet").to_pylist()
    replayed = {
        (e["execution_id"], e["status"], e["last_price"], e["event_time"], e["strategy_id"])
        for e in executions
    }
    assert len(replayed) == len(executions) > 100
    assert replayed == live_executions(system)
    for arguments in ((), (str(folder),)):
        verified = run(system, "replay", *arguments, "--verify-live")
        assert verified["equal"]
        assert verified["ticks"] == published
        assert verified["signals"] == len(system.values("signals"))
    assert traces(system) == before


def said(system: System, topic: str, name: str) -> list[tuple[Any, ...]]:
    """What stands on ``name``, which has records as ``topic`` has them: bytes, where possible.

    What a live decision was taken by (ADR 20) is not compared: a replay leaves it out.
    """
    decode = system.codecs.by_topic[topic].decode

    def content(value: bytes) -> str:
        record = decode(value)
        return repr(record._replace(decision=None) if hasattr(record, "decision") else value)

    return sorted((m.partition(), m.key(), content(m.value())) for m in system.raw(name))


def test_what_a_replay_says_can_go_to_topics_of_its_own(system: System) -> None:
    system.add(replace(strategies()[0], parameters={"period": 5}))
    moment, price = 1_700_000_000_000_000, 10**10
    waves = (price + 10**7 * min(n % 40, 40 - n % 40) for n in range(1_000))
    ticks = [MarketTick(IBM, moment + n, wave, 1, n) for n, wave in enumerate(waves)]
    system.publish(ticks)
    system.start("runner", "risk", "router", "paper")
    system.wait_until_settled(len(ticks))
    found = run(system, "replay", "--to-topics", "mine")
    for topic in ("signals", "orders", "executions", "rejections"):
        system.partitions[f"mine-{topic}"] = system.partitions[topic]
        # Live, executions of an order come when its tick does, be the next order there or not.
        assert said(system, topic, f"mine-{topic}") == said(system, topic, topic)
    assert found["strategies"][0]["orders"] == len(system.raw("orders")) > 100
    again = system.panda("replay", "--to-topics", "mine")
    assert again.returncode == 3
    assert "mine-signals is there already" in again.stderr


def test_a_replay_of_versions_that_changed_is_compared_with_what_was_said_live(
    system: System, ibm_trades: Path
) -> None:
    """Two versions, one after the other; then a signal on the topic that nobody would have said."""
    rules, model, _ = strategies()
    system.add(rules, model)
    ticks = [row.tick for row in open_source(ibm_trades, Reading())]
    (runner,) = system.start("runner")
    published = system.publish(ticks[:8_000])
    wait_for_ticks(system, published)
    assert runner.stop() == 0
    with system.repository() as repository:
        repository.update_parameters(rules.id, {**rules.parameters, "period": 5})
    (runner,) = system.start("runner")
    published += system.publish(ticks[8_000:16_000])
    wait_for_ticks(system, published)
    assert runner.stop() == 0

    said = system.values("signals")
    assert {s.strategy_version for s in said if s.strategy_id == str(rules.id)} == {1, 2}
    verified = run(system, "replay", "--verify-live")
    assert (verified["equal"], verified["ticks"]) == (True, 16_000)
    assert verified["signals"] == len({s.signal_id for s in said})
    part = run(system, "replay", "--verify-live", "--offsets", f"{said[0].tick_partition}:9000-")
    assert (part["equal"], part["ticks"]) == (True, 7_000)

    record = system.raw("signals")[20]
    oldest = system.codecs.signals.decode(record.value())
    delete_before(system, "signals", record.partition() or 0, record.offset() or 0)
    kept = run(system, "replay", "--verify-live")
    assert (kept["equal"], kept["ticks"]) == (True, 16_000 - oldest.tick_offset - 1)

    made_up = changed(said[-1], signal_id="f" * 32, tick_offset=said[-1].tick_offset - 1)
    system.send("signals", system.codecs.signals.encode(made_up), b"%d" % IBM)
    ended = system.panda("replay", "--verify-live", "--json")
    assert ended.returncode == 9, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["equal"], found["differences"]) == (False, 1)
    (first,) = [p["first_difference"] for p in found["partitions"] if p["first_difference"]]
    assert (first["strategy_id"], first["tick_offset"]) == (
        made_up.strategy_id,
        made_up.tick_offset,
    )
    assert first["replayed"] == "nothing"
    assert first["live"].startswith(f"{made_up.signal_type} ")
    assert "ticks seen" in first["state"]
    shown = system.panda("replay", "--verify-live").stdout
    cut, different, *_ = shown.splitlines()
    assert cut.endswith(
        f"ticks before offset {oldest.tick_offset + 1}, whose signals are not on the topic any more"
    )
    assert different.startswith("DIFFERENT: 1 signals (1 only live, 0 only in the replay)")
    assert f"offset {made_up.tick_offset}" in shown


def delete_before(system: System, topic: str, partition: int, offset: int) -> None:
    """As retention does."""
    admin = connect(system.connection)  # has to live until it has the answer
    where = TopicPartition(system.settings.topic(topic), partition, offset)
    for answer in admin.delete_records([where]).values():
        answer.result()


def wait_for_ticks(system: System, count: int) -> None:
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == count)


def spy_like(ibm_trades: Path) -> list[MarketTick]:
    """The same trades as another instrument, at other prices, so in another partition."""
    return [
        row.tick._replace(instrument_token=SPY, price_raw=row.tick.price_raw - 10**9)
        for row in open_source(ibm_trades, Reading())
    ]


def test_a_recording_goes_on_with_what_came_since(system: System, tmp_path: Path) -> None:
    system.add(strategies()[0])
    ticks = [MarketTick(IBM, 1_700_000_000_000_000 + n, 10**10 + n, 1, n) for n in range(3_000)]
    folder = tmp_path / "recording"
    system.publish(ticks[:1_000])
    assert run(system, "record", str(folder))["records"] == 1_000
    system.publish(ticks[1_000:])
    system.send("ticks", b"no tick at all", key=b"1001")
    assert run(system, "record", str(folder))["records"] == 2_001

    never = system.panda("replay", str(folder), "--verify-live")
    assert never.returncode == 6
    assert "no strategy was active on them" in " ".join(never.stderr.split())
    from_topic, from_recording = run(system, "replay"), run(system, "replay", str(folder))
    today = ("--from", "today", "--to", "today")
    assert run(system, "replay", *today)["fingerprint"] == from_topic["fingerprint"]
    assert run(system, "replay", "--from", "2001-01-01")["ticks"] == 3_000
    assert run(system, "replay", "--to", "yesterday")["ticks"] == 0
    assert run(system, "replay", str(folder), "--to", "yesterday")["ticks"] == 0
    assert from_recording["ticks"] == 3_000
    assert from_recording["unusable_records"] == {"WRONG_MAGIC_BYTE": 1}
    assert from_recording["fingerprint"] == from_topic["fingerprint"]


def test_what_the_topic_no_longer_keeps_is_not_passed_over(system: System, tmp_path: Path) -> None:
    ticks = [MarketTick(IBM, 1_700_000_000_000_000 + n, 10**10, 1, n) for n in range(10)]
    system.publish(ticks)
    folder = tmp_path / "recording"
    run(system, "record", str(folder))
    system.publish(ticks)
    (partition,) = {record.partition for record in system.records("ticks")}
    delete_before(system, "ticks", partition, 15)

    done = system.panda("record", str(folder))
    assert done.returncode == 6
    assert "ends before offset 10" in done.stderr
    assert "now begins at offset 15" in done.stderr
