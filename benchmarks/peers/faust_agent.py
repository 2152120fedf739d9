"""faust-streaming as its documentation teaches it: one agent, one event at a time."""

import os
import sys
from typing import Any

import faust

from benchmarks.peer import (
    BROKER,
    GROUP,
    LATENCY,
    LINGER_MS,
    SCRATCH,
    SIGNALS_TOPIC,
    TICKS_TOPIC,
    Peer,
)

peer = Peer()
app = faust.App(
    GROUP,
    broker="kafka://" + BROKER,
    store="memory://",
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    datadir=SCRATCH,
    broker_max_poll_records=5000,
    stream_buffer_maxsize=16384,
    producer_linger=0 if LATENCY else LINGER_MS / 1000,
)
ticks = app.topic(TICKS_TOPIC, key_serializer="raw", value_serializer="raw")
signals = app.topic(SIGNALS_TOPIC, key_serializer="raw", value_serializer="raw")


@app.agent(ticks)
async def on_ticks(stream: Any) -> None:  # noqa: ANN401 - Faust's stream
    async for event in stream.events():
        at = event.message
        signal = peer.on_tick(event.value, at.partition, at.offset)
        if signal is not None:
            await signals.send(key=event.key, value=signal)
        if peer.done:
            await app.producer.flush()
            peer.report()
            os._exit(0)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "-l", "warn", "--without-web"]
    app.main()
