"""Sends outputs at once, and knows when the broker has confirmed them."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, Message, Producer

from app.domain.errors import KafkaError
from app.streaming.operator import Output

_POLL_INTERVAL = 0.001
_BUFFER_FULL_WAIT = 0.05
_MOST_UNCONFIRMED = 50_000
"""Then nothing more is fetched. The client itself takes twice as many."""


class DeliveryError(KafkaError):
    """The broker did not take an output, after all retries."""


class _Epoch:
    """Outputs sent between two calls of ``confirmed``."""

    __slots__ = ("confirmed", "failure", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.confirmed = 0
        self.failure: str | None = None

    def on_delivery(self, error: ClientError | None, message: Message) -> None:
        self.confirmed += 1
        if error is not None and self.failure is None:
            self.failure = f"{message.topic()}[{message.partition()}]: {error.str()}"


class Outbox:
    """Not thread-safe: used from the event loop's thread alone.

    What is sent to a partition arrives in order and without gaps: after a refusal nothing more
    goes out. A reader who has seen an output has seen all before it, so that a watermark is
    enough to know a redelivery.
    """

    def __init__(self, producer_config: Mapping[str, str | int | float | bool]) -> None:
        self._producer = Producer({**producer_config, "enable.gapless.guarantee": True})
        self._epochs: deque[_Epoch] = deque([_Epoch()])

    def send(self, outputs: Iterable[Output]) -> None:
        """Hand outputs to the client; blocks only while its buffer is full.

        Raises:
            DeliveryError: an earlier output was refused for good.
        """
        epoch = self._epochs[-1]
        produce, on_delivery = self._producer.produce, epoch.on_delivery
        for topic, key, value, headers in outputs:
            while True:
                try:
                    if headers:
                        produce(topic, value, key, on_delivery=on_delivery, headers=list(headers))
                    else:
                        produce(topic, value, key, on_delivery=on_delivery)
                except BufferError:
                    self._producer.poll(_BUFFER_FULL_WAIT)
                    self._raise_failures()
                except KafkaException as error:
                    epoch.failure = epoch.failure or f"{topic}: {error.args[0].str()}"
                    self._raise_failures()
                else:
                    break
            epoch.sent += 1
        self._producer.poll(0)
        self._raise_failures()

    async def room(self) -> None:
        """Wait while too much is unconfirmed.

        Raises:
            DeliveryError: something was refused for good.
        """
        while len(self._producer) > _MOST_UNCONFIRMED:
            self._producer.poll(0)
            self._raise_failures()
            await asyncio.sleep(_POLL_INTERVAL)

    async def confirmed(self) -> None:
        """Wait until everything sent before this call is confirmed.

        Raises:
            DeliveryError: something was refused for good.
        """
        until = self._epochs[-1]
        self._epochs.append(_Epoch())
        while until in self._epochs:
            self._producer.poll(0)
            self._raise_failures()
            while len(self._epochs) > 1 and self._epochs[0].sent == self._epochs[0].confirmed:
                self._epochs.popleft()
            if until in self._epochs:
                await asyncio.sleep(_POLL_INTERVAL)

    def _raise_failures(self) -> None:
        for epoch in self._epochs:
            if epoch.failure is not None:
                raise DeliveryError(f"output not delivered to {epoch.failure}")
