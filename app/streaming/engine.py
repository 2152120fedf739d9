"""Processes batches and makes their effects durable. Knows Faust only through its callers."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, TopicPartition

from app.streaming.changelog import (
    FencedError,
    PartitionChangelog,
    Positions,
    TopicRecreatedError,
)
from app.streaming.fetcher import Batch, Fetcher
from app.streaming.operator import ConnectionSettings, Delivery, StreamSpec
from app.streaming.outbox import Outbox
from app.streaming.owned import OwnedPartition, Ownership
from app.streaming.telemetry import StreamTelemetry

logger = logging.getLogger(__name__)

_BROKER_TIMEOUT = 30.0


class StreamEngine:
    """The partitions of one worker: opened, processed, checkpointed, handed over.

    All methods run on the event loop's thread; what blocks is handed to a pool.
    """

    def __init__(
        self,
        *,
        spec: StreamSpec,
        connection: ConnectionSettings,
        producer_config: Mapping[str, str | int | float | bool],
        topic_ids: Mapping[str, str],
        telemetry: StreamTelemetry,
    ) -> None:
        self._spec = spec
        self._connection = connection
        self._producer_config = producer_config
        self._topic_ids = topic_ids
        self._telemetry = telemetry
        self.ownership = Ownership()
        self._outbox = Outbox(producer_config)
        self._fetcher = Fetcher(
            bootstrap_servers=connection.bootstrap_servers, max_batch=connection.max_batch
        )
        self._pool = ThreadPoolExecutor(spec.partitions + 1, thread_name_prefix="changelog")
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        """Done once something happened that the worker cannot go on after."""

    async def fetch(self) -> list[Batch]:
        """The next batches; a failure of the client stops the worker."""
        try:
            return await self._fetcher.fetch(self.ownership)
        except Exception as error:
            self.fail(error)
            raise

    def process(self, batch: Batch) -> None:
        """Process a batch that is due, and drop one that is stale."""
        owned = batch.owned
        if owned.closed or batch.generation != self.ownership.generation:
            return
        if not owned.is_due(batch.topic, batch.number):
            logger.info(
                "a batch of %s[%d] was dropped; reading it again", batch.topic, owned.partition
            )
            self.ownership.advance()
            return
        try:
            self._process(owned, batch)
        except Exception as error:
            self.fail(error)
            raise

    async def open(self, partitions: Iterable[int]) -> None:
        """Own these partitions and nothing else; fences former owners, reads state back."""
        self.ownership.replace(())
        loop = asyncio.get_running_loop()
        try:
            opened = await asyncio.gather(
                *(loop.run_in_executor(self._pool, self._open, number) for number in partitions)
            )
        except Exception as error:
            self.fail(error)
            raise
        self.ownership.replace(opened)
        self._telemetry.assigned(len(opened))

    async def hand_over(self, partitions: Iterable[int]) -> None:
        """Checkpoint these partitions, then let go of them."""
        numbers = list(partitions)
        self.ownership.advance()  # nothing fetched so far is processed any more
        owned = [one for one in map(self.ownership.get, numbers) if one is not None]
        await asyncio.gather(*(self.checkpoint(one) for one in owned))
        self.ownership.drop(numbers)

    async def checkpoint_all(self) -> None:
        """Checkpoint every partition that moved."""
        await asyncio.gather(*(self.checkpoint(one) for one in self.ownership.partitions()))

    async def checkpoint(self, owned: OwnedPartition) -> None:
        """Make everything processed so far durable.

        A partition that another worker owns is dropped; any other failure stops this worker.
        """
        async with owned.lock:
            if owned.closed or not owned.has_moved:
                return
            try:
                await self._checkpoint(owned)
            except FencedError as error:
                logger.warning("%s belongs to another worker now; letting go of it", error)
                self.ownership.drop([owned.partition])
            except Exception as error:
                self.fail(error)
                raise

    def durable_offsets(self) -> dict[tuple[str, int], int]:
        """The next offset after the last checkpoint, by topic and partition."""
        return {
            (topic, owned.partition): offset
            for owned in self.ownership.partitions()
            for topic, offset in owned.durable_offsets.items()
        }

    def fail(self, error: BaseException) -> None:
        """Remember why the worker cannot go on; the first reason stays."""
        if not self.failure.done() and not isinstance(error, asyncio.CancelledError):
            self.failure.set_result(error)

    def close(self) -> None:
        """Let go of everything, without a checkpoint."""
        self.ownership.replace(())
        self._fetcher.close()
        self._pool.shutdown(wait=True)

    def _process(self, owned: OwnedPartition, batch: Batch) -> None:
        started = time.perf_counter()
        outputs = owned.operator.process(batch.topic, batch.messages) if batch.messages else ()
        if outputs:
            if self._spec.delivery is Delivery.EXACTLY_ONCE:
                owned.outputs.extend(outputs)
            else:
                self._outbox.send(outputs)
        owned.next_offsets[batch.topic] = batch.next_offset
        self._telemetry.batch_processed(
            batch.topic, owned.partition, len(batch.messages), time.perf_counter() - started
        )

    async def _checkpoint(self, owned: OwnedPartition) -> None:
        started = time.perf_counter()
        # State, positions and outputs are taken at one moment; processing goes on meanwhile.
        positions = owned.positions()
        records = owned.operator.changed()
        outputs, owned.outputs = owned.outputs, []
        await self._outbox.confirmed()
        await asyncio.get_running_loop().run_in_executor(
            self._pool, owned.changelog.commit, records, positions, outputs, _BROKER_TIMEOUT
        )
        owned.durable_offsets = positions.offsets
        self._telemetry.checkpointed(owned.partition, time.perf_counter() - started, len(records))

    def _open(self, number: int) -> OwnedPartition:
        started = time.perf_counter()
        changelog = PartitionChangelog(
            bootstrap_servers=self._connection.bootstrap_servers,
            topic=self._spec.changelog,
            partition=number,
            transactional_id=f"{self._spec.group}-{number}",
            producer_config=self._producer_config,
        )
        restored = changelog.open(_BROKER_TIMEOUT)
        operator = self._spec.create(number, self._topic_ids)
        operator.restore(restored.state)
        owned = OwnedPartition(
            partition=number,
            operator=operator,
            changelog=changelog,
            positions=self._start(number, restored.positions),
        )
        self._telemetry.restored(number, restored.records_read, time.perf_counter() - started)
        return owned

    def _start(self, number: int, checkpoint: Positions | None) -> Positions:
        known = checkpoint or Positions(offsets={}, topic_ids={})
        for topic, topic_id in known.topic_ids.items():
            if topic in self._topic_ids and self._topic_ids[topic] != topic_id:
                raise TopicRecreatedError(
                    f"topic {topic} was deleted and created anew: the state of {self._spec.group}"
                    f" stands at offset {known.offsets[topic]} of partition {number} of topic id"
                    f" {topic_id}, and the topic now has id {self._topic_ids[topic]}."
                    f" To begin with the new topic, delete the topic {self._spec.changelog}"
                    " and run 'panda topics apply'"
                )
        missing = [topic for topic in self._spec.inputs if topic not in known.offsets]
        first = self._first_offsets(number, missing) if missing else {}
        return Positions(
            offsets={
                topic: known.offsets[topic] if topic in known.offsets else first[topic]
                for topic in self._spec.inputs
            },
            topic_ids=self._topic_ids,
        )

    def _first_offsets(self, number: int, topics: Iterable[str]) -> dict[str, int]:
        consumer = Consumer(
            {"bootstrap.servers": self._connection.bootstrap_servers, "group.id": "unused"}
        )
        try:
            return {
                topic: consumer.get_watermark_offsets(
                    TopicPartition(topic, number), _BROKER_TIMEOUT
                )[0]
                for topic in topics
            }
        finally:
            consumer.close()
