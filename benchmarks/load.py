"""Puts ticks on their topic at a constant rate: a process of its own, told by its command line.

One tick of every instrument comes first. When the file that is named is there, ``--rate`` ticks a
second follow. Those of the warm-up carry the event time that they were recorded with; those after
it carry the clock's, just before they are handed to the client. Every instrument is at another
time of the day: they do not all move, and signal, at once.
"""

import json
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import Producer

from benchmarks.peer import BROKER, PRODUCER, TICKS_TOPIC
from benchmarks.tables import quantile
from benchmarks.ticks import Row, load_trades, spread
from benchmarks.work import encode_tick

_READY_PATIENCE_SECONDS = 900.0
_POLL_EVERY = 64


def main(
    instruments: int,
    rate: float,
    warm: float,
    seconds: float,
    ready: Path,
    data: Annotated[Path | None, typer.Option()] = None,
    linger_ms: Annotated[float, typer.Option()] = 1.0,
) -> None:
    producer = Producer({"bootstrap.servers": BROKER, **PRODUCER, "linger.ms": linger_ms})
    measured = int(rate * seconds)
    warming = int(rate * warm)
    total = instruments + warming + measured
    trades = load_trades(data)
    rows = spread(trades, instruments, total, apart=max(1, len(trades) // instruments))
    for row in islice(rows, instruments):
        _send(producer, row, row.event_time_us)
    producer.flush()
    _wait_for(ready)
    started = time.time()
    late = _pour(producer, rows, rate, warming)
    took = time.time() - started
    producer.flush()
    late.sort()
    report = {
        "sent": total,
        "measured_from": started + warm,
        "rate": (warming + measured) / took,
        "late_p99_ms": 1e3 * quantile(late, 0.99),
        "late_max_ms": 1e3 * late[-1],
    }
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(report))


def _pour(producer: Producer, rows: Iterator[Row], rate: float, warming: int) -> list[float]:
    """Send all, each when it is due; by how many seconds each was late."""
    late: list[float] = []
    started = time.perf_counter()
    for number, row in enumerate(rows):
        due = started + number / rate
        while (wait := due - time.perf_counter()) > 0:
            time.sleep(wait)
        late.append(-wait)
        warm = number < warming
        _send(producer, row, row.event_time_us if warm else time.time_ns() // 1000)
        if not number % _POLL_EVERY:
            producer.poll(0)
    return late


def _send(producer: Producer, row: Row, event_time: int) -> None:
    value = encode_tick(row.token, row.price, row.quantity, row.volume, event_time)
    producer.produce(TICKS_TOPIC, value, b"%d" % row.token)


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + _READY_PATIENCE_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"nobody handled a tick in {_READY_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.02)
    time.sleep(1)


if __name__ == "__main__":
    typer.run(main)
