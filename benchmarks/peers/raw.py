"""confluent-kafka alone: consume what there is, handle it, produce."""

from typing import Any

from confluent_kafka import Consumer, Producer

from benchmarks.peer import BROKER, CONSUMER, GROUP, PRODUCER, SIGNALS_TOPIC, TICKS_TOPIC, Peer


def main() -> None:
    peer = Peer()
    consumer = Consumer(
        {
            "bootstrap.servers": BROKER,
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            **CONSUMER,
        }
    )
    producer = Producer({"bootstrap.servers": BROKER, **PRODUCER})
    consumer.subscribe([TICKS_TOPIC])
    on_tick, produce = peer.on_tick, producer.produce
    message: Any
    while not peer.done:
        # The first poll waits, so that a lone tick is not held up for a full batch.
        first = consumer.poll(0.5)
        if first is None:
            continue
        for message in (first, *consumer.consume(5000, 0)):
            if message.error():
                raise RuntimeError(message.error())
            signal = on_tick(message.value(), message.partition(), message.offset())
            if signal is None:
                continue
            while True:
                try:
                    produce(SIGNALS_TOPIC, signal, key=message.key())
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    producer.flush()
    peer.report()
    consumer.close()


if __name__ == "__main__":
    main()
