"""Sends ticks to the topic, each counted as acknowledged or failed, none dropped silently."""

from collections.abc import Callable, Iterable
from typing import Protocol

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, Message

from algo_panda.domain.errors import BadInputError
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.memo import Memo
from algo_panda.ingest.outcome import (
    BadRowError,
    BrokenSourceError,
    Counts,
    DeliveryError,
    Published,
)
from algo_panda.ingest.pace import Clock, Pace
from algo_panda.ingest.source import BadRow, Row

_POLL_EVERY = 1_024
"""Ticks between two looks at the producer's reports and at the clock, at full speed."""
_WAIT_SECONDS = 0.1
"""Longest wait without such a look."""
_PROGRESS_SECONDS = 0.2


class RecordProducer(Protocol):
    """The part of ``confluent_kafka.Producer`` that is used.

    It is set to report failed deliveries only (``delivery.report.only.error``), which costs a
    third of the time of a callback each: what has left its queue without one is acknowledged.
    """

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        *,
        on_delivery: Callable[[ClientError | None, Message], None],
        timestamp: int,
    ) -> None:
        """Queue a record; ``timestamp`` in milliseconds, 0 for now.

        Raises:
            BufferError: the queue is full.
            KafkaException: it cannot ever be sent.
        """
        ...

    def poll(self, timeout: float) -> int:
        """Serve reports for up to ``timeout`` seconds."""
        ...

    def flush(self, timeout: float) -> int:
        """Send what is queued, for up to ``timeout`` seconds; how many are left."""
        ...

    def __len__(self) -> int:
        """Records not yet acknowledged, and reports not yet served."""
        ...


class Publisher:
    """One run: ``publish`` is called once, ``stop`` from anywhere, also from a signal handler.

    The order of the rows is kept in each partition, and so for each instrument. A run ends when
    the rows do, when it is stopped, or with the first thing that goes wrong; in every case only
    when the broker has answered for all that was sent, or the producer has given it up.

    Args:
        producer: where records go; ``algo_panda.ingest.connecting.open_producer`` makes it.
        topic: its name on the broker.
        encode: a tick to the record's value.
        clock: for pace, progress and the time taken.
        pace: when ticks are due; None: as fast as it goes.
        event_timestamps: stamp records with the tick's event time rather than with now.
        limit: most ticks to send.
        on_bad_row: takes bad rows, and the run goes on; None: it stops at the first.
        on_progress: called with the counts so far about five times a second, and at the end.
    """

    def __init__(
        self,
        *,
        producer: RecordProducer,
        topic: str,
        encode: Callable[[MarketTick], bytes],
        clock: Clock,
        pace: Pace | None = None,
        event_timestamps: bool = False,
        limit: int | None = None,
        on_bad_row: Callable[[BadRow], None] | None = None,
        on_progress: Callable[[Counts], None] | None = None,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._encode = encode
        self._clock = clock
        self._pace = pace
        self._event_timestamps = event_timestamps
        self._limit = limit
        self._on_bad_row = on_bad_row
        self._on_progress = on_progress
        self._keys: Memo[int, bytes] = Memo(instrument_key)
        self._started = 0.0
        self._first_event_us: int | None = None
        self._next_progress = 0.0
        self._sent = 0
        self._failed = 0
        self._rejected = 0
        self._failure: str | None = None
        self._stopped = False

    def stop(self) -> None:
        """End the run after the tick at hand."""
        self._stopped = True

    @property
    def counts(self) -> Counts:
        """What became of the ticks so far."""
        waiting = len(self._producer)
        return Counts(
            sent=self._sent,
            acknowledged=max(0, self._sent - self._failed - waiting),
            failed=self._failed,
            rejected=self._rejected,
            seconds=self._clock.monotonic() - self._started,
        )

    def publish(self, rows: Iterable[Row]) -> Published:
        """Send the ticks among ``rows``.

        Raises:
            BadRowError: a row is no tick, and there is no ``on_bad_row``.
            BrokenSourceError: the rows broke off.
            DeliveryError: the broker did not acknowledge everything.
        """
        self._started = self._clock.monotonic()
        bad: BadRow | None = None
        cause: BadInputError | None = None
        try:
            bad = self._send_all(rows)
        except BadInputError as error:
            cause = error
        finally:  # whatever happened, nothing that was sent is left without an answer
            self._drain()
        counts = self.counts
        if self._failure is not None:
            raise DeliveryError(self._topic, self._failure, counts) from cause
        if cause is not None:
            raise BrokenSourceError(cause, counts) from cause
        if bad is not None:
            raise BadRowError(bad, counts)
        return Published(counts=counts, stopped=self._stopped)

    def _send_all(self, rows: Iterable[Row]) -> BadRow | None:
        """Send until the end; or up to a bad row to stop at, which is returned."""
        for row in rows:
            if isinstance(row, BadRow):
                if self._on_bad_row is None:
                    return row
                self._rejected += 1
                self._on_bad_row(row)
            elif self._wait_until_due(row.tick):
                self._send(row.tick)
            if self._halted or self._sent == self._limit:
                return None
        return None

    @property
    def _halted(self) -> bool:
        return self._stopped or self._failure is not None

    def _send(self, tick: MarketTick) -> None:
        value = self._encode(tick)
        timestamp = tick.event_time_us // 1_000 if self._event_timestamps else 0
        while not self._halted:
            try:
                self._producer.produce(
                    self._topic,
                    value,
                    self._keys[tick.instrument_token],
                    on_delivery=self._on_delivery,
                    timestamp=timestamp,
                )
            except BufferError:
                self._look(_WAIT_SECONDS)
            except KafkaException as error:
                self._sent += 1
                self._on_delivery(error.args[0], None)
            else:
                self._sent += 1
                if self._sent % _POLL_EVERY == 0:
                    self._look(0)
                return

    def _wait_until_due(self, tick: MarketTick) -> bool:
        """Wait for the moment of ``tick``; False where the run was stopped meanwhile."""
        if self._pace is None:
            return True
        if self._first_event_us is None:
            self._first_event_us = tick.event_time_us
        due = self._started + self._pace.due(self._sent, tick.event_time_us - self._first_event_us)
        while not self._halted:
            self._look(0)
            remaining = due - self._clock.monotonic()
            if remaining <= 0:
                return True
            self._clock.sleep(min(remaining, _WAIT_SECONDS))
        return False

    def _on_delivery(self, error: ClientError | None, _message: Message | None) -> None:
        if error is not None:
            self._failed += 1
            self._failure = self._failure or error.str()

    def _look(self, seconds: float) -> None:
        """Serve delivery reports, and report progress when it is time."""
        self._producer.poll(seconds)
        if self._on_progress is not None and self._clock.monotonic() >= self._next_progress:
            self._next_progress = self._clock.monotonic() + _PROGRESS_SECONDS
            self._on_progress(self.counts)

    def _drain(self) -> None:
        """Wait until there is an answer for every record, which the delivery time-out bounds."""
        while self._producer.flush(_WAIT_SECONDS):
            self._look(0)
        if self._on_progress is not None:
            self._on_progress(self.counts)
