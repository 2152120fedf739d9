"""Takes signals off their topic, and the time that each took from the tick's event time on.

A process of its own: ``python -m benchmarks.sink LISTENING DONE``. It makes the first file when it
begins, and ends when the second is there and nothing more comes.
"""

import json
import os
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from benchmarks.peer import BROKER, SIGNALS_TOPIC
from benchmarks.tables import quantile
from benchmarks.work import decode_signal

_QUIET_SECONDS = 3.0


def main(listening: Path, done: Path) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": BROKER,
            "group.id": "unused",
            "enable.auto.commit": False,
            "fetch.min.bytes": 1,
        }
    )
    partitions = consumer.list_topics(SIGNALS_TOPIC, 30).topics[SIGNALS_TOPIC].partitions
    consumer.assign([TopicPartition(SIGNALS_TOPIC, number, 0) for number in partitions])
    consumer.poll(1)
    listening.touch()
    began = time.time_ns() // 1000
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
    main(Path(sys.argv[1]), Path(sys.argv[2]))
