"""Sends outputs at once, and waits for their acknowledgement."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, Message, Producer

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection, producer_config
from algo_panda.streaming.operator import Output

_POLL_INTERVAL = 0.001
_BUFFER_FULL_WAIT = 0.05
_PATIENCE_SECONDS = 120.0
"""How long an output may wait for its acknowledgement."""
_MOST_UNCONFIRMED = 50_000
"""Then nothing more is fetched."""
_PRODUCERS: Sequence[tuple[int, Mapping[str, str | float]]] = (
    (64, {"linger_ms": 2, "compression_type": "lz4"}),
    # As soon as the first is there, the client would send what there is by then: every second or
    # third output had a request of its own, and broker and client had no time for anything else.
    (4, {"linger_ms": 0.5, "compression_type": "none"}),
    # One or two outputs compressed are hardly smaller, and were seen to come twice as late.
    (0, {"linger_ms": 0, "compression_type": "none"}),
)
"""Settings of the producer for at least so many outputs at a time."""
_MOST_IN_CLIENT = 100_000
_MOST_IN_CLIENT_KB = 256 * 1024
"""Then sending waits: the outputs of one batch may exceed the limit of fetching."""


class DeliveryError(KafkaError):
    """The broker did not acknowledge an output, after all retries."""


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
    """Sender of outputs. Not thread-safe: used from the thread of the event loop only.

    Outputs to a partition arrive in order and without gaps: after a refusal nothing more is sent.
    A consumer that has read an output has read all before it.

    A few outputs are sent at once. More are sent together, to save requests; many, which are the
    outputs of a backlog, are also compressed. A producer of the client library has one setting
    for all records, so there is a producer for each case. Another one is used only when all
    outputs of the current one are acknowledged.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._producers = [
            (
                least,
                Producer(
                    producer_config(
                        connection,
                        **how,
                        enable_gapless_guarantee=True,
                        # One that the client gave up after a time would be a gap: it is us who
                        # give up.
                        message_timeout_ms=0,
                        queue_buffering_max_messages=_MOST_IN_CLIENT,
                        queue_buffering_max_kbytes=_MOST_IN_CLIENT_KB,
                    )
                ),
            )
            for least, how in _PRODUCERS
        ]
        _, self._producer = self._producers[-1]
        """The producer in use: only this one may have unacknowledged outputs."""
        self._epochs: deque[_Epoch] = deque([_Epoch()])
        self._failure: str | None = None
        """The first refusal."""

    def send(self, outputs: Sequence[Output]) -> None:
        """Send outputs; block only while the buffer of the client is full.

        Raises:
            DeliveryError: an output was refused, now or earlier, or none was acknowledged for
                120 s.
        """
        if self._failure is not None:
            self._refuse(self._failure)
        fitting = self._fitting(len(outputs))
        if fitting is not self._producer:
            self._poll()
            if not len(self._producer):
                self._producer = fitting
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
                    self._wait_until_less()
                except KafkaException as error:
                    self._poll()  # raises the cause, if this error only follows from it
                    self._refuse(f"{topic}: {error.args[0].str()}")
                else:
                    break
            epoch.sent += 1
        self._poll()

    async def room(self) -> None:
        """Wait while too many outputs are unacknowledged.

        Raises:
            DeliveryError: something was refused for good.
        """
        deadline = self._clock() + _PATIENCE_SECONDS
        while len(self._producer) > _MOST_UNCONFIRMED:
            self._poll()
            await self._wait(deadline)

    async def confirmed(self) -> None:
        """Wait until all outputs sent before this call are acknowledged.

        Raises:
            DeliveryError: something was refused for good.
        """
        deadline = self._clock() + _PATIENCE_SECONDS
        until = self._epochs[-1]
        self._epochs.append(_Epoch())
        while until in self._epochs:
            self._poll()
            while len(self._epochs) > 1 and self._epochs[0].sent == self._epochs[0].confirmed:
                self._epochs.popleft()
            if until in self._epochs:
                await self._wait(deadline)

    def _fitting(self, count: int) -> Producer:
        return next(producer for least, producer in self._producers if count >= least)

    async def _wait(self, deadline: float) -> None:
        self._refuse_late(deadline)
        await asyncio.sleep(_POLL_INTERVAL)

    def _wait_until_less(self) -> None:
        """Block until an output is acknowledged."""
        deadline = self._clock() + _PATIENCE_SECONDS
        full = len(self._producer)
        while len(self._producer) >= full:
            self._refuse_late(deadline)
            self._poll(_BUFFER_FULL_WAIT)

    def _refuse_late(self, deadline: float) -> None:
        if self._clock() > deadline:
            self._refuse(f"the broker: not acknowledged within {_PATIENCE_SECONDS:.0f} s")

    def _poll(self, timeout: float = 0) -> None:
        if self._failure is not None:
            self._refuse(self._failure)
        try:
            self._producer.poll(timeout)
        except KafkaException as error:  # a fatal error of the client
            self._refuse(error.args[0].str())
        for epoch in self._epochs:
            if epoch.failure is not None:
                self._refuse(epoch.failure)

    def _refuse(self, reason: str) -> NoReturn:
        """Raise, now and in later calls: the worker must not continue after a gap."""
        self._failure = self._failure or reason
        raise DeliveryError(f"output not delivered to {self._failure}")
