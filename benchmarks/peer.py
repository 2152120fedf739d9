"""What a peer is told, and what it reports: the measuring around ``benchmarks.work``.

A peer counts its ticks through ``Peer`` and calls ``report`` once every signal is flushed. It is
told by environment variables, because each runs in a process and an environment of its own.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.work import Rsi, TickWork, decode_tick

BROKER = os.environ.get("BENCH_BROKER", "")
TICKS_TOPIC = os.environ.get("BENCH_TICKS_TOPIC", "")
SIGNALS_TOPIC = os.environ.get("BENCH_SIGNALS_TOPIC", "")
GROUP = os.environ.get("BENCH_GROUP", "")
SCRATCH = os.environ.get("BENCH_SCRATCH", "")
VARIANT = os.environ.get("BENCH_VARIANT", "")
LATENCY = os.environ.get("BENCH_KIND") == "latency"
LINGER_MS = 1 if LATENCY else 20

CONSUMER: dict[str, Any] = (
    {"fetch.min.bytes": 1}
    if LATENCY
    else {"fetch.min.bytes": 100_000, "queued.min.messages": 200_000}
)
"""The same librdkafka settings for every peer that is built on it; the rest is its default."""

PRODUCER: dict[str, Any] = {"linger.ms": LINGER_MS, "partitioner": "murmur2_random"}


class Peer:
    """Counts ticks, and remembers when the first and the last was handled."""

    def __init__(self) -> None:
        self.work = TickWork(os.environ["BENCH_TOPIC_ID"])
        self.goal = int(os.environ["BENCH_TICKS"])
        self.ticks = 0
        self.first = self.last = self.cpu_before = 0.0

    @property
    def done(self) -> bool:
        return self.ticks >= self.goal

    def on_tick(self, value: bytes, partition: int, offset: int) -> bytes | None:
        """The signal that a tick causes, with the state kept here."""
        self._count()
        return self.work.on_tick(value, partition, offset)

    def on_tick_with(self, rsi: Rsi, value: bytes, partition: int, offset: int) -> bytes | None:
        """The same with the state of the caller's framework."""
        self._count()
        return self.work.update(rsi, decode_tick(value), partition, offset)

    def report(self) -> None:
        """Leave the result as JSON."""
        report = {
            "ticks": self.ticks,
            "first": self.first,
            "last": self.last,
            "cpu_s": time.process_time() - self.cpu_before,
            "rss_mb": peak_rss_mb(),
        }
        Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(report))

    def _count(self) -> None:
        if not self.ticks:
            self.first, self.cpu_before = time.time(), time.process_time()
            Path(os.environ["BENCH_READY"]).touch()
        self.ticks += 1
        if self.ticks == self.goal:
            self.last = time.time()


def peak_rss_mb(pid: int | str = "self") -> float:
    """The most memory that a process has had resident."""
    return _status(pid, "VmHWM")


def rss_mb(pid: int | str = "self") -> float:
    """The memory that a process has resident."""
    return _status(pid, "VmRSS")


def _status(pid: int | str, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status has no {name}")
