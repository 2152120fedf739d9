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

from algo_panda.wire.varint import LAST, encode_long
from benchmarks.peer import BROKER, PRODUCER, TICKS_TOPIC
from benchmarks.tables import quantile
from benchmarks.ticks import Row, load_trades, spread
from benchmarks.work import TICK_HEADER, encode_tick, price_bytes

_READY_PATIENCE_SECONDS = 900.0
_GROUPED_RATE = 5_000.0
"""From so many ticks a second on, there is a group every millisecond."""
_GROUPS_A_SECOND = 1_000
_POLL_EVERY_SECONDS = 0.01


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
        producer.produce(TICKS_TOPIC, encode_tick(*row), b"%d" % row.token)
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
    """Send all, each when its group is due; by how many seconds the first of each was late."""
    late: list[float] = []
    size = int(rate / _GROUPS_A_SECOND) if rate >= _GROUPED_RATE else 1
    encode, produce, clock = _Encoder().encode, producer.produce, time.perf_counter
    now_ns = time.time_ns
    sent, started = 0, clock()
    polled = started
    while group := tuple(islice(rows, size)):
        due = started + (sent + len(group) - 1) / rate
        while (wait := due - clock()) > 0:
            time.sleep(wait)
        late.append((len(group) - 1) / rate - wait)
        for row in group:
            warm = sent < warming
            key, value = encode(row, row.event_time_us if warm else now_ns() // 1000)
            produce(TICKS_TOPIC, value, key)
            sent += 1
        if due > polled + _POLL_EVERY_SECONDS:
            polled = due
            producer.poll(0)
    return late


class _Encoder:
    """What ``benchmarks.work.encode_tick`` gives, in a third of its time."""

    def __init__(self) -> None:
        self._leads: dict[int, tuple[bytes, bytes]] = {}

    def encode(self, row: Row, event_time: int) -> tuple[bytes, bytes]:
        """Key and value."""
        token, price, quantity, volume, _ = row
        lead = self._leads.get(token)
        if lead is None:
            lead = self._leads[token] = (b"%d" % token, TICK_HEADER + encode_long(token))
        key, head = lead
        digits = price_bytes(price)
        return key, b"".join(
            (
                head,
                encode_long(event_time),
                LAST[len(digits) << 1],
                digits,
                encode_long(quantity),
                encode_long(volume),
            )
        )


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + _READY_PATIENCE_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"nobody handled a tick in {_READY_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.02)
    time.sleep(1)


if __name__ == "__main__":
    typer.run(main)
