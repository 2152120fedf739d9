"""Takes signals off their topic, and the time that each took from the tick's event time on.

A process of its own: ``python -m benchmarks.sink DONE``, until the file DONE is there and
nothing more comes.
"""

import json
import os
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer

from benchmarks.peer import BROKER, GROUP, SIGNALS_TOPIC
from benchmarks.tables import quantile
from benchmarks.work import decode_signal

_QUIET_SECONDS = 3.0


def main(done: Path) -> None:
    began = time.time_ns() // 1000
    consumer = Consumer(
        {
            "bootstrap.servers": BROKER,
            "group.id": f"{GROUP}-sink",
            "auto.offset.reset": "earliest",
            "fetch.min.bytes": 1,
        }
    )
    consumer.subscribe([SIGNALS_TOPIC])
    took: list[float] = []
    quiet_since = time.monotonic()
    while not (done.exists() and time.monotonic() - quiet_since > _QUIET_SECONDS):
        message = consumer.poll(0.5)
        if message is None or message.error():
            continue
        now = time.time_ns() // 1000
        quiet_since = time.monotonic()
        produced = decode_signal(message.value() or b"")["event_time"]
        if produced > began:  # else it is of the warm-up
            took.append((now - produced) / 1000)
    consumer.close()
    took.sort()
    report = {
        "measured": len(took),
        "p50_ms": quantile(took, 0.5),
        "p99_ms": quantile(took, 0.99),
        "p999_ms": quantile(took, 0.999),
        "max_ms": took[-1],
    }
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
