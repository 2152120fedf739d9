"""quixstreams: a StreamingDataFrame over raw bytes, with the RSI's state in memory.

Variant ``state`` keeps it in quixstreams' own store (RocksDB with a changelog topic), which is
what its documentation teaches.
"""

from typing import Any

from quixstreams import Application, message_context

from benchmarks.peer import (
    BROKER,
    CONSUMER,
    GROUP,
    PRODUCER,
    SCRATCH,
    SIGNALS_TOPIC,
    TICKS_TOPIC,
    VARIANT,
    Peer,
)
from benchmarks.work import Rsi

STATEFUL = VARIANT == "state"


def main() -> None:
    peer = Peer()
    app = Application(
        broker_address=BROKER,
        consumer_group=GROUP,
        auto_offset_reset="earliest",
        auto_create_topics=STATEFUL,
        loglevel="ERROR",
        state_dir=SCRATCH,
        consumer_extra_config=CONSUMER,
        producer_extra_config=PRODUCER,
    )
    ticks = app.topic(TICKS_TOPIC, key_deserializer="bytes", value_deserializer="bytes")
    signals = app.topic(SIGNALS_TOPIC, key_serializer="bytes", value_serializer="bytes")

    def said(signal: bytes | None) -> tuple[bytes, ...]:
        if peer.done:
            app.stop()
        return () if signal is None else (signal,)

    def on_tick(value: bytes) -> tuple[bytes, ...]:
        at = message_context()
        return said(peer.on_tick(value, at.partition, at.offset))

    def on_tick_with_state(value: bytes, state: Any) -> tuple[bytes, ...]:  # noqa: ANN401 - quixstreams' State
        at = message_context()
        rsi = Rsi()
        saved = state.get("rsi")
        if saved is not None:
            rsi.last, rsi.gains, rsi.losses, moves = saved
            rsi.moves.extend(moves)
        signal = peer.on_tick_with(rsi, value, at.partition, at.offset)
        state.set("rsi", [rsi.last, rsi.gains, rsi.losses, list(rsi.moves)])
        return said(signal)

    frame = app.dataframe(ticks)
    if STATEFUL:
        frame = frame.apply(on_tick_with_state, stateful=True, expand=True)
    else:
        frame = frame.apply(on_tick, expand=True)
    frame.to_topic(signals)
    app.run()
    peer.report()


if __name__ == "__main__":
    main()
