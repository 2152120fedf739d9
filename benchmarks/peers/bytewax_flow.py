"""bytewax on whole batches with its own Kafka connector, one worker: the fastest that it offers.

Run as ``python -m bytewax.run benchmarks.peers.bytewax_flow:flow``.
"""

import atexit
from collections.abc import Iterator
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow

from benchmarks.peer import BROKER, CONSUMER, LATENCY, PRODUCER, SIGNALS_TOPIC, TICKS_TOPIC, Peer

peer = Peer()


def on_batch(messages: list[Any]) -> Iterator[Any]:
    for message in messages:
        signal = peer.on_tick(message.value, message.partition, message.offset)
        if signal is not None:
            yield KafkaSinkMessage(message.key, signal)


flow = Dataflow("bench")
ticks = op.input(
    "ticks", flow, KafkaSource([BROKER], [TICKS_TOPIC], tail=LATENCY, add_config=CONSUMER)
)
found = op.flat_map_batch("rsi", ticks, on_batch)
op.output("signals", found, KafkaSink([BROKER], SIGNALS_TOPIC, add_config=PRODUCER))
atexit.register(peer.report)  # its sink flushes every batch that it writes
