"""Fetches records in batches, for the partitions that this worker owns.

Faust is the member of the group; this consumer has no group, and is assigned the same partitions.
Every batch carries the object of the owned partition, the generation of the assignment and a
number, so that the engine recognises a batch from before a rebalance, and a gap.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import groupby
from operator import methodcaller
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import Message as ClientMessage

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection, consumer_config
from algo_panda.streaming.owned import OwnedPartition, Ownership
from algo_panda.streaming.truncation import LOST_OFFSET

_FIRST_RECORD_WAIT = 0.1
_SHORT_WAIT = 0.004
_FIRST_TAKE = 50_000
_FIRST_TAKE_SECONDS = 0.2
_FIRST_TAKE_WAIT = 0.002
_METADATA_TIMEOUT = 5.0
_MOST_FETCHED_KB = 64 * 1024
"""Limit of the records in the client, of all partitions, at which it stops to fetch."""
_TOPIC, _PARTITION = methodcaller("topic"), methodcaller("partition")


class OffsetLostError(KafkaError):
    """The broker no longer has the next record to process."""


class Batch(NamedTuple):
    """Records of one topic partition, in offset order."""

    owned: OwnedPartition
    generation: int
    number: int
    """Counts up from 0 per topic within a generation."""
    topic: str
    messages: list[ClientMessage]
    next_offset: int
    """Offset after them, and after the transaction markers that follow."""


class Fetcher:
    """Consumer of the owned partitions: calls take turns, and a cancelled one loses no record."""

    def __init__(self, *, connection: KafkaConnection, max_batch: int) -> None:
        self._consumer = Consumer(
            consumer_config(
                connection,
                enable_auto_offset_store=False,
                auto_offset_reset="error",
                queued_min_messages=100_000,
                queued_max_messages_kbytes=_MOST_FETCHED_KB,
                fetch_wait_max_ms=100,
            )
        )
        self._max_batch = max_batch
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._turn = asyncio.Lock()
        self._pending: asyncio.Future[list[ClientMessage]] | None = None
        self._generation = -1
        self._met: set[str] = set()
        self._numbers: dict[tuple[str, int], int] = {}
        self._ends: dict[tuple[str, int], int] = {}

    async def fetch(self, ownership: Ownership) -> list[Batch]:
        """Return the next records, as soon as there are any; sometimes an empty list.

        While records arrive, this thread waits for them itself, for at most 4 ms: to have another
        thread wait takes longer than the time between most records.
        """
        async with self._turn:
            if self._pending is not None:
                # An earlier call was cancelled: the records that it took must not be processed.
                await asyncio.wait([self._pending])
                dropped, self._pending = self._pending, None
                ownership.advance()
                dropped.result()  # if it failed, this one does
            if self._generation != ownership.generation:
                take = partial(self._begin, self._assigned(ownership))
            elif messages := self._take(_SHORT_WAIT):
                return self._batches(ownership, messages)
            else:
                take = partial(self._take, _FIRST_RECORD_WAIT)
            generation = self._generation
            loop = asyncio.get_running_loop()
            self._pending = loop.run_in_executor(self._pool, take)
            messages = await asyncio.shield(self._pending)
            self._pending = None
            if generation != ownership.generation:
                return []
            return self._batches(ownership, messages)

    def close(self) -> None:
        """Close the client when the current call has returned."""
        self._pool.shutdown(wait=True)
        self._consumer.close()

    def _take(self, wait: float) -> list[ClientMessage]:
        first = self._consumer.poll(wait)
        if first is None:
            return []
        return [first, *self._consumer.consume(self._max_batch - 1, 0)]

    def _begin(self, places: list[TopicPartition]) -> list[ClientMessage]:
        """Assign the partitions, and return their first records.

        The client returns all waiting records of one partition, then those of the next. So
        records are taken until every partition has returned some, or its end: then they can take
        turns.
        """
        self._meet({place.topic for place in places})
        self._consumer.assign(places)
        until = time.monotonic() + _FIRST_TAKE_SECONDS
        messages: list[ClientMessage] = []
        silent = {(place.topic, place.partition) for place in places}
        while silent and len(messages) < _FIRST_TAKE and time.monotonic() < until:
            taken = self._consumer.consume(self._max_batch, _FIRST_TAKE_WAIT)
            silent.difference_update(zip(map(_TOPIC, taken), map(_PARTITION, taken), strict=True))
            messages += taken
        return messages

    def _meet(self, topics: set[str]) -> None:
        """Ask for the metadata of topics: by itself, the client asks only once a second."""
        for topic in topics - self._met:
            with suppress(KafkaException):  # then it takes a second longer
                self._consumer.list_topics(topic, _METADATA_TIMEOUT)
                self._met.add(topic)

    def _assigned(self, ownership: Ownership) -> list[TopicPartition]:
        self._generation = ownership.generation
        self._numbers.clear()
        self._ends = {
            (topic, owned.partition): offset
            for owned in ownership.partitions()
            for topic, offset in owned.start_fetching().items()
        }
        return [TopicPartition(*where, at) for where, at in self._ends.items()]

    def _batches(self, ownership: Ownership, messages: list[ClientMessage]) -> list[Batch]:
        grouped: dict[tuple[str, int], list[ClientMessage]] = {}
        ends: dict[tuple[str, int], int] = {}
        for topic, of_topic in groupby(messages, _TOPIC):
            for partition, run in groupby(of_topic, _PARTITION):
                where = (topic, partition)
                records, end = self._fresh(list(run), self._ends.get(where, 0))
                if records:
                    grouped.setdefault(where, []).extend(records)
                ends[where] = max(end, ends.get(where, end))
        batches: list[Batch] = []
        for where, end in ends.items():
            owned = ownership.get(where[1])
            if owned is None or end <= self._ends.get(where, -1):
                continue
            self._ends[where] = end
            number = self._numbers.get(where, 0)
            self._numbers[where] = number + 1
            batches.append(
                Batch(owned, self._generation, number, where[0], grouped.get(where, []), end)
            )
        return batches

    @staticmethod
    def _fresh(run: list[ClientMessage], start: int) -> tuple[list[ClientMessage], int]:
        """Return the records of a partition from offset ``start`` on, and the offset after them."""
        records = [message for message in run if message.error() is None]
        end = start
        if len(records) < len(run):
            for message in run:
                error = message.error()
                if error is None:
                    continue
                if error.code() != ClientError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    _raise(error, message)
                end = message.offset() or 0
        if records:
            end = max(end, (records[-1].offset() or 0) + 1)
            if (records[0].offset() or 0) < start:
                records = [record for record in records if (record.offset() or 0) >= start]
        return records, end


def _raise(error: ClientError, message: ClientMessage) -> None:
    where = f"{message.topic()}[{message.partition()}]"
    if error.code() in LOST_OFFSET:
        raise OffsetLostError(
            f"{where}: the next record to process is no longer retained ({error.str()});"
            " records were lost before they were processed"
        )
    # An error of the whole client is about no topic.
    place = where if message.topic() else "records"
    raise KafkaError(f"cannot read {place}: {error.str()}") from KafkaException(error)
