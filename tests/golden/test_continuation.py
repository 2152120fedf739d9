"""The workers go on from the state of an earlier version, and give what that version gave next."""

import json
import re
import signal
import time
from base64 import b64decode, b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from typing import Any

import pytest
from confluent_kafka import Producer

from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from tests.golden.test_state import plain
from tests.golden.write import (
    CHANGELOGS,
    CHECKPOINT_KEY,
    CONTINUED,
    WORKERS,
    ends,
    is_settled,
    newest,
    records,
)
from tests.support.golden import Golden

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

STRATEGIES_KEY = b"\x00strategies"


@pytest.fixture
def servers(golden: Golden) -> Generator[str]:
    """A broker on what the version left. It deletes nothing: the ticks are older every day."""
    with EmbeddedKafka(
        golden.data / "kafka",
        *free_ports(2),
        overrides={"log.initial.task.delay.ms": "3600000"},
    ) as broker:
        yield broker.bootstrap_servers


class Workers:
    """All workers of this version, as processes."""

    def __init__(self, golden: Golden, servers: str) -> None:
        self.logs = {program: golden.folder / f"{program}.log" for program in WORKERS}
        variables = golden.variables(
            PANDA_KAFKA_BOOTSTRAP_SERVERS=servers,
            PANDA_PAPER_ACCEPTS_PAST_TICKS="true",
            PANDA_SIGNAL_TTL_SECONDS="1e9",  # what waits in the fixture is older every day
        )
        self.processes = {
            program: golden.start("worker", program, env=variables, log=log)
            for program, log in self.logs.items()
        }

    def log(self, program: str) -> str:
        return self.logs[program].read_text("utf-8", "replace")

    def wait(self, holds: Callable[[], bool]) -> None:
        """Until then no worker may end."""
        deadline = time.monotonic() + 150
        while not holds():
            for program, process in self.processes.items():
                assert process.poll() is None, self.log(program)
            assert time.monotonic() < deadline, "not within 150 s"
            time.sleep(0.2)

    def stop(self) -> dict[str, int]:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        return {program: process.wait(60) for program, process in self.processes.items()}

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def start(golden: Golden, servers: str) -> Generator[Callable[[], Workers]]:
    started: list[Workers] = []

    def make() -> Workers:
        started.append(Workers(golden, servers))
        return started[-1]

    yield make
    for workers in started:
        workers.close()


def upgrade(golden: Golden, servers: str) -> None:
    """What the documentation tells a user to do after an upgrade."""
    for arguments in (("db", "upgrade"), ("topics", "apply")):
        done = golden.panda(*arguments, PANDA_KAFKA_BOOTSTRAP_SERVERS=servers)
        assert done.returncode == 0, done.stderr


def state(servers: str) -> list[dict[str, Any]]:
    return newest(records(servers, CHANGELOGS, {}))


def origins(log: str) -> Counter[str]:
    """How strategies came back to their state, over all partitions, as the runner logs it."""
    found: Counter[str] = Counter()
    pattern = (
        r"(\d+) restored from snapshot, (\d+) rebuilt by replay of \d+ ticks,"
        r" (\d+) warmed up, (\d+) new, (\d+) quarantined, (\d+) cold"
    )
    names = ("snapshot", "replay", "warmed up", "new", "quarantined", "cold")
    for counts in re.findall(pattern, log):
        found.update(dict(zip(names, map(int, counts), strict=True)))
    return found


def expected_origins(recorded: Iterable[Mapping[str, Any]], types: Mapping[str, str]) -> Any:
    """The same, of what the changelogs hold, and of what the strategies are."""
    found: Counter[str] = Counter()
    for line in recorded:
        if line["topic"] != "runner-state-changelog" or b64decode(line["key"]) == STRATEGIES_KEY:
            continue
        for kept in plain(b64decode(line["value"]))["strategies"]:
            if kept["quarantine_reason"] is not None:
                found["quarantined"] += 1
            else:
                found["snapshot" if kept["processor"] is not None else "replay"] += 1
            found[types[kept["strategy_id"]]] += 1
    return found


def known(lines: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """All records, each as far as the earlier version knows its fields, in order.

    Rejections have more codes, orders and what follows from them say what they were decided by
    (ADR 20), and the stages behind the runner remember ids in the place of the newest tick
    (ADR 19): those records are compared by the fields that did not change.
    """
    return sorted(filter(None, map(_known, lines)))


def _known(line: Mapping[str, Any]) -> tuple[str, str, str] | None:
    topic, key, value = line["topic"], line["key"], line["value"]
    name = b64decode(key)
    if topic in ("rejections", "orders", "paper-orders", "executions"):
        return topic, key, repr(_without_decision(b64decode(value)))
    if topic in ("risk-state-changelog", "router-state-changelog", "paper-state-changelog"):
        fields = plain(b64decode(value)) if b"|" in name else {}
        if topic == "router-state-changelog" or name.startswith((b"seen|", b"route|")):
            return None
        if name.startswith(b"ledger|"):
            positions = fields["ledger"]["positions"]
            return (topic, key, repr(sorted(positions.items()))) if positions else None
        if name.startswith(b"order|"):
            first = fields.get("order") or fields["open"]
            own = {"remaining", "account", "order", "filled", "events", "notional_raw"}
            kept = {name: first[name] for name in sorted(own & first.keys())}
            if isinstance(kept.get("order"), bytes):
                kept["order"] = _without_decision(kept["order"])
            return topic, key, repr(kept)
    return topic, key, value


def _without_decision(value: bytes) -> dict[str, Any]:
    return {name: field for name, field in plain(value).items() if name != "decision"}


def differences(found: list[Any], expected: list[Any]) -> list[str]:
    """A few of them: to show all differences of thousands of records takes longer than a test."""
    lacking, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    shown = [*(f"- {record}" for record in lacking), *(f"+ {record}" for record in extra)]
    return sorted(shown, key=lambda line: line[2:])[:10]


def by_key(lines: Iterable[Mapping[str, Any]], topic: str) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line["topic"] == topic:
            found[line["key"]].append(line["value"])
    return dict(found)


def test_signals_orders_and_executions_go_on_to_the_byte(
    golden: Golden, servers: str, start: Callable[[], Workers]
) -> None:
    upgrade(golden, servers)
    types = {
        row["id"]: row["strategy_type"]
        for row in json.loads(golden.panda("strategies", "list", "--json").stdout)
    }
    before = {topic: ends(servers, topic) for topic in CONTINUED}
    expected_restored = expected_origins(state(servers), types)

    workers = start()
    workers.wait(lambda: is_settled(servers))
    assert set(workers.stop().values()) == {0}

    recorded = golden.lines("continuation.jsonl.xz")
    found = list(records(servers, CONTINUED, before))
    assert differences(known(found), known(recorded)) == []
    expected_signals = by_key(recorded, "signals")
    found_signals = by_key(found, "signals")
    assert found_signals.keys() == expected_signals.keys()
    assert [key for key, values in expected_signals.items() if found_signals[key] != values] == []
    counts = Counter(line["topic"] for line in recorded)
    assert all(counts[topic] > 50 for topic in ("signals", "orders", "paper-orders", "executions"))
    assert counts["rejections"]

    # Not rebuilt from ticks, which would give the same: the snapshots themselves fit.
    log = workers.log("runner")
    restored = origins(log)
    assert "does not fit" not in log
    assert restored["snapshot"] == expected_restored["snapshot"]
    assert restored["quarantined"] == expected_restored["quarantined"] == 1
    assert restored["replay"] == expected_restored["replay"]
    assert restored["cold"] == 0
    for strategy_type in ("rules_rsi", "ml_momentum", "hybrid_ml_rsi_filter", "counter"):
        assert expected_restored[strategy_type]

    assert differences(known(state(servers)), known(golden.lines("state.jsonl.xz"))) == []

    verified = golden.panda(
        "replay", "--verify-live", "--json", PANDA_KAFKA_BOOTSTRAP_SERVERS=servers
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["equal"] is True


def test_state_of_a_later_version_is_refused_with_instructions(
    golden: Golden, servers: str, start: Callable[[], Workers]
) -> None:
    upgrade(golden, servers)
    before = {topic: ends(servers, topic) for topic in CONTINUED}

    # Where there is no checkpoint, the record would be refused because of that.
    started = [
        (one["topic"], one["partition"])
        for one in records(servers, CHANGELOGS, {})
        if one["key"] == b64encode(CHECKPOINT_KEY).decode()
    ]
    append_to_changelogs(servers, b"1", b"\x00\x00\x1e\x84\x7f later", started)
    for program, line in refusals(start()).items():
        changelog = f"{program}-state-changelog"
        assert re.match(rf"error: changelog {changelog}\[\d\]: .* schema with the id 1999999", line)
        assert "If a newer version of algo-panda wrote this state, run that version" in line
        assert f"delete the topic {changelog} and run 'panda topics apply'" in line

    append_to_changelogs(servers, CHECKPOINT_KEY, b'{"topics":{},"feedback":1}')
    for line in refusals(start()).values():
        assert "]: the checkpoint is invalid: ValueError: unknown field 'feedback'." in line

    assert {topic: ends(servers, topic) for topic in CONTINUED} == before


def append_to_changelogs(
    servers: str, key: bytes, value: bytes, only: Collection[tuple[str, int]] | None = None
) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for topic in CHANGELOGS:
        for partition in ends(servers, topic):
            if only is None or (topic, partition) in only:
                producer.produce(topic, value, key, partition=partition)
    assert producer.flush(20) == 0


def refusals(workers: Workers) -> dict[str, str]:
    """The one line that each program ends with."""
    found: dict[str, str] = {}
    for program, process in workers.processes.items():
        assert process.wait(90) == 4, workers.log(program)
        log = workers.log(program)
        assert "Traceback" not in log
        (found[program],) = [line for line in log.splitlines() if line.startswith("error: ")]
    return found


def test_the_broker_of_an_earlier_version_is_found_and_stopped(golden: Golden) -> None:
    port, controller_port = free_ports(2)
    broker = EmbeddedKafka(golden.data / "kafka", port, controller_port, outlives_starter=True)
    process = broker.launch()
    try:
        broker.wait_until_ready()
        # As version e821f28 wrote it.
        (golden.data / "kafka" / "dev-broker.json").write_text(
            "{\n"
            f'  "pid": {process.pid},\n'
            f'  "started_at": {process.started_at},\n'
            f'  "port": {port},\n'
            f'  "controller_port": {controller_port},\n'
            f'  "log_file": "{broker.log_file}"\n'
            "}\n"
        )
        status = golden.panda("dev", "status", "--json")
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["pid"] == process.pid
        up = golden.panda("dev", "up")
        assert up.stdout == f"{broker.bootstrap_servers}\n"
        assert "was up already" in up.stderr
        down = golden.panda("dev", "down")
        assert down.returncode == 0, down.stderr
        assert not broker.running
    finally:
        broker.stop()
    ports = [str(number) for number in free_ports(2)]
    again = golden.panda("dev", "up", "--port", ports[0], "--controller-port", ports[1])
    try:
        assert again.stdout == f"127.0.0.1:{ports[0]}\n"
        assert sum(ends(f"127.0.0.1:{ports[0]}", "signals").values()) > 0
    finally:
        assert golden.panda("dev", "down").returncode == 0
