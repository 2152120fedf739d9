"""Writes the golden fixture of a version: what an installation leaves on disk, and does next.

    python tests/golden/write.py --panda PATH/TO/bin/panda tests/golden/NAME

Uses only the command line of that version, so it runs for any. Takes about two minutes.
"""

import argparse
import base64
import json
import lzma
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka.admin import AdminClient

T = TypeVar("T")

HERE = Path(__file__).parent
INSTRUMENTS = "1001,1002,1003,1004,1005,1006"
WORKERS = {
    "runner": ("ticks",),
    "risk": ("signals", "executions"),
    "router": ("orders",),
    "paper": ("paper-orders", "ticks"),
}
"""The programs and what they read, in the order of the flow."""
CONTINUED = ("signals", "rejections", "orders", "paper-orders", "executions", "activations")
"""Topics whose records the fixture says how they go on."""
CHANGELOGS = tuple(f"{program}-state-changelog" for program in WORKERS)
CHECKPOINT_KEY = b"\x00checkpoint"
PATIENCE = 120.0

ENVIRONMENT = {
    "PANDA_CHECKPOINT_INTERVAL_SECONDS": "0.5",
    "PANDA_QUARANTINE_AFTER": "3",
    "PANDA_PAPER_SPREAD": "2 bps",
    "PANDA_PAPER_SLIPPAGE": "1 ticks",
    "PANDA_PAPER_SLIPPAGE_PROBABILITY": "0.5",
    "PANDA_PAPER_TICK_SIZE": "0.05",
    "PANDA_PAPER_LATENCY_MS": "30",
    "PANDA_PAPER_LATENCY_JITTER_MS": "40",
    "PANDA_PAPER_VOLUME_LIMIT": "0.02",
    "PANDA_PAPER_SEED": "5",
    "PANDA_PAPER_FEES": "zerodha-nse-intraday-2024-10",
}
PROCESSORS = {
    name: f"golden_strategies.create_{name}"
    for name in ("counter", "breakout", "failing", "unloadable")
}
STRATEGIES: Sequence[Mapping[str, Any]] = (
    {"strategy_type": "rules_rsi", "instruments": [1001, 1002, 1003], "parameters": {"period": 5}},
    {
        "strategy_type": "rules_rsi",
        "instruments": [1004, 1005, 1006],
        "validator_type": "strict_risk",
        "active_brokers": [],
        "parameters": {
            "period": 9,
            "lower": 35.5,
            "trigger": "cross",
            "confidence": 0.8,
            "quantity": 40,
            "validation": {"max_tick_age_seconds": 10**9, "max_notional": 60_000},
        },
    },
    {
        "strategy_type": "ml_momentum",
        "instruments": [1001, 1004],
        "parameters": {"min_probability": 0.4, "quantity": 5},
    },
    {
        "strategy_type": "hybrid_ml_rsi_filter",
        "instruments": [1002, 1005],
        "parameters": {"period": 7, "lower": 45, "upper": 55, "min_probability": 0.35},
    },
    {
        "strategy_type": "rules_rsi",
        "instruments": [1006],
        "active_brokers": ["zerodha"],
        "parameters": {"period": 4, "trigger": "cross"},
    },
    {
        "strategy_type": "counter",
        "instruments": [1001, 1006],
        "parameters": {"bar_seconds": 5},
    },
    {"strategy_type": "breakout", "instruments": [1003, 1004], "parameters": {"lookback": 12}},
    {"strategy_type": "failing", "instruments": [1005]},
    {"strategy_type": "unloadable", "instruments": [1002]},
    {"strategy_type": "rules_rsi", "instruments": [1001], "parameters": {"period": 3}},
    {"strategy_type": "gone", "instruments": [1001]},
)
IDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(1, len(STRATEGIES) + 1)]
UPDATED, DISABLED = IDS[0], IDS[9]


class Installation:
    """The version under way, with a data directory of its own."""

    def __init__(self, panda: Path, folder: Path, data: Path) -> None:
        self._panda = panda
        self.folder = folder
        self.data = data
        self.port, controller = free_ports()
        self._environment = {
            **{name: v for name, v in os.environ.items() if not name.startswith("PANDA_")},
            **ENVIRONMENT,
            "PANDA_DATA_DIR": str(data),
            "PANDA_DEV_KAFKA_PORT": str(self.port),
            "PANDA_DEV_CONTROLLER_PORT": str(controller),
            "PANDA_PROCESSORS": json.dumps(PROCESSORS),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._environment.pop("PYTHONPATH", None)
        self.servers = f"127.0.0.1:{self.port}"

    def panda(self, *arguments: str, accept: Sequence[int] = (0,), **variables: str) -> str:
        done = subprocess.run(
            [self._panda, *arguments],
            env={**self._environment, **variables},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in accept:
            sys.exit(f"panda {' '.join(arguments)} ends with {done.returncode}:\n{done.stderr}")
        return done.stdout

    @contextmanager
    def broker(self) -> Iterator[None]:
        self.panda("dev", "up")
        try:
            yield
        finally:
            self.panda("dev", "down")

    def work(self) -> None:
        """Run all workers until nothing is left to process; they end with a checkpoint."""
        workers: list[subprocess.Popen[bytes]] = []
        try:
            for program in WORKERS:
                with (self.folder / f"{program}.log").open("ab") as log:
                    workers.append(
                        subprocess.Popen(
                            [self._panda, "worker", program],
                            env=self._environment,
                            cwd=self.folder,
                            stdin=subprocess.DEVNULL,
                            stdout=log,
                            stderr=log,
                        )
                    )
            wait_until(lambda: is_settled(self.servers))
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            codes = [worker.wait(60) for worker in workers]
        if any(codes):
            sys.exit(f"a worker ended with {codes}; see {self.folder}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panda", type=Path, required=True, help="of the version to describe")
    parser.add_argument("folder", type=Path, help="the fixture; must not exist yet")
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="panda-golden-") as scratch:
        write(given.panda.absolute(), Path(scratch), given.folder)


def write(panda: Path, scratch: Path, folder: Path) -> None:
    shutil.copy(HERE / "golden_strategies.py", scratch)
    installation = Installation(panda, scratch, scratch / "data")
    with installation.broker():
        prepare(installation)
    archive(scratch / "data", folder / "data.tar.xz")
    with installation.broker():
        before = {topic: ends(installation.servers, topic) for topic in CONTINUED}
        installation.work()
        continued = list(records(installation.servers, CONTINUED, before))
        state = newest(records(installation.servers, CHANGELOGS, {}))
        installation.panda("replay", "--verify-live")
    again = Installation(panda, scratch, scratch / "again" / "data")
    with tarfile.open(folder / "data.tar.xz") as packed:
        packed.extractall(scratch / "again", filter="data")
    with again.broker():
        again.work()
        if contents(records(again.servers, CONTINUED, before)) != contents(continued):
            sys.exit("the same state and ticks gave other records: no fixture can hold that")
        if contents(newest(records(again.servers, CHANGELOGS, {}))) != contents(state):
            sys.exit("the same state and ticks gave another state: no fixture can hold that")
    write_lines(folder / "continuation.jsonl.xz", continued)
    write_lines(folder / "state.jsonl.xz", state)
    replay(installation, folder)
    write_json(folder / "environment.json", {**ENVIRONMENT, "PANDA_PROCESSORS": PROCESSORS})


def prepare(installation: Installation) -> None:
    """Leave strategies, versions, statuses, checkpoints, and ticks that no worker has seen."""
    panda = installation.panda
    panda("topics", "apply")
    panda("db", "upgrade")
    known = json.dumps({**PROCESSORS, "gone": PROCESSORS["counter"]})
    for strategy_id, row in zip(IDS, STRATEGIES, strict=True):
        panda(*added(strategy_id, row), PANDA_PROCESSORS=known)
    panda("strategies", "disable", DISABLED)
    panda("control", "halt", "--account", "nobody", "--force", "--reason", "golden")
    publish(installation, seed=1, ticks=900)
    producer = Producer({"bootstrap.servers": installation.servers})
    producer.produce("ticks", b"no tick", b"1001", partition=0)
    producer.flush()
    installation.work()
    update(installation.data / "panda.db")
    publish(installation, seed=2, ticks=300)
    installation.work()
    publish(installation, seed=3, ticks=800)
    panda("record", "recording")


def added(strategy_id: str, row: Mapping[str, Any]) -> Iterator[str]:
    yield from ("strategies", "add", row["strategy_type"], "--id", strategy_id)
    yield from ("--instruments", ",".join(map(str, row["instruments"])))
    for name, value in row.get("parameters", {}).items():
        yield from ("--param", f"{name}={json.dumps(value)}")
    if "validator_type" in row:
        yield from ("--validator", row["validator_type"])
    match row.get("active_brokers"):
        case []:
            yield "--signals-only"
        case [*brokers]:
            yield from ("--brokers", ",".join(brokers))


def publish(installation: Installation, *, seed: int, ticks: int) -> None:
    installation.panda(
        *("publish", "--synthetic", "--instruments", INSTRUMENTS, "--tick-rate", "20"),
        *("--seed", str(seed), "--ticks", str(ticks), "--start", f"2026-01-0{4 + seed}T03:45:00Z"),
    )


def update(database: Path) -> None:
    """Give a strategy other parameters, by hand: a new version."""
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "UPDATE strategy_configurations SET parameters = ?, version = version + 1 WHERE id = ?",
            (json.dumps({"period": 6, "upper": 65}), UPDATED),
        )
    connection.close()


def replay(installation: Installation, folder: Path) -> None:
    shutil.copytree(installation.folder / "recording", folder / "recording")
    rows = [{"id": name, **row} for name, row in zip(IDS, STRATEGIES, strict=True)]
    runnable = [row for row in rows if row["strategy_type"] not in ("gone", "unloadable")]
    (folder / "strategies.yaml").write_text(json.dumps({"strategies": runnable}, indent=1) + "\n")
    shutil.copy(folder / "strategies.yaml", installation.folder)
    arguments = ("recording", "--strategies", "strategies.yaml", "--output", "results", "--json")
    installation.panda("replay", *arguments)
    report = json.loads((installation.folder / "results" / "report.json").read_text())
    del report["seconds"], report["ticks_per_second"]
    write_json(folder / "report.json", report)


def archive(data: Path, file: Path) -> None:
    """All that is on disk but the broker's logs, which say where it ran."""

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if member.name.endswith((".previous.log", "broker.log", "broker.out")):
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(file, "w:xz", preset=9) as packed:
        packed.add(data, "data", filter=kept)


# Kafka


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as b:
        return one.getsockname()[1], b.getsockname()[1]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"not settled within {PATIENCE:.0f} s")
        time.sleep(0.2)


def is_settled(servers: str) -> bool:
    """Whether every program has processed all that there is."""
    return all(
        committed(servers, f"panda-{program}", topic) == ends(servers, topic)
        for program, topics in WORKERS.items()
        for topic in topics
    )


def consumer(servers: str, group: str = "unused") -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )


def partitions(servers: str, topic: str) -> list[int]:
    metadata = AdminClient({"bootstrap.servers": servers}).list_topics(topic, timeout=20)
    return sorted(metadata.topics[topic].partitions)


def ends(servers: str, topic: str) -> dict[int, int]:
    reader = consumer(servers)

    def end(number: int) -> int:
        return reader.get_watermark_offsets(TopicPartition(topic, number), 20)[1]

    try:
        return {number: patiently(partial(end, number)) for number in partitions(servers, topic)}
    finally:
        reader.close()


def patiently(ask: Callable[[], T]) -> T:
    """Ask again while a broker that has just started does not know its own partitions yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def committed(servers: str, group: str, topic: str) -> dict[int, int]:
    """What a group has processed; 0 where it has committed nothing."""
    reader = consumer(servers, group)
    try:
        wanted = [TopicPartition(topic, number) for number in partitions(servers, topic)]
        found = patiently(lambda: reader.committed(wanted, 20))
        return {tp.partition: max(0, tp.offset) for tp in found}
    finally:
        reader.close()


def records(
    servers: str, topics: Sequence[str], start: Mapping[str, Mapping[int, int]]
) -> Iterator[dict[str, Any]]:
    """All committed records of ``topics`` from ``start`` on, by topic, partition and offset."""
    for topic in topics:
        for number in partitions(servers, topic):
            first = start.get(topic, {}).get(number, 0)
            yield from read(servers, TopicPartition(topic, number, first))


def read(servers: str, where: TopicPartition) -> Iterator[dict[str, Any]]:
    reader = consumer(servers)
    try:
        reader.assign([where])
        while True:
            message = reader.poll(30)
            if message is None:
                sys.exit(f"{where.topic}[{where.partition}] cannot be read")
            error = message.error()
            if error is None:
                yield {
                    "topic": message.topic(),
                    "partition": message.partition(),
                    "offset": message.offset(),
                    "timestamp": message.timestamp()[1],
                    "key": text_of(message.key()),
                    "value": text_of(message.value()),
                    "headers": [[name, text_of(v)] for name, v in message.headers() or ()],
                }
            elif error.code() == ClientError._PARTITION_EOF:
                return
            elif not error.retriable():
                sys.exit(f"{where.topic}[{where.partition}]: {error}")
    finally:
        reader.close()


def newest(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last record of every key, without deleted ones and without positions."""
    last = {(one["topic"], one["partition"], one["key"]): one for one in found}
    without = text_of(CHECKPOINT_KEY)
    return [one for one in last.values() if one["value"] is not None and one["key"] != without]


def contents(found: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((one["topic"], one["key"] or "", one["value"] or "") for one in found)


def text_of(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def write_lines(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    file.write_bytes(lzma.compress(text.encode(), preset=9))


def write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
