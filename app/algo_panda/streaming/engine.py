"""The stream engine of a worker: fetches, processes and checkpoints. Does not depend on Faust."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from algo_panda.domain.containment import EscapedError, is_ordinary, ordinary
from algo_panda.domain.decisions import CURRENT_SECONDS
from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.ends import End, ReadEnds
from algo_panda.runner.collector import making_what_stays
from algo_panda.streaming.cancellation import is_cancellation
from algo_panda.streaming.checkpointing import Checkpointer
from algo_panda.streaming.fetcher import Batch, Fetcher, OffsetLostError
from algo_panda.streaming.inputs import InputTopics
from algo_panda.streaming.leading import LeadingInputs
from algo_panda.streaming.opening import PartitionOpener
from algo_panda.streaming.operator import (
    ConnectionSettings,
    Delivery,
    Message,
    Probe,
    StreamSpec,
    no_probe,
)
from algo_panda.streaming.outbox import Outbox
from algo_panda.streaming.owned import OwnedPartition, Ownership
from algo_panda.streaming.progress import TopicPartition
from algo_panda.streaming.slices import SliceSize
from algo_panda.streaming.telemetry import StreamTelemetry
from algo_panda.streaming.truncation import TopicTruncatedError

logger = logging.getLogger(__name__)

_OUTPUTS_HELD = 50_000
"""Number of outputs of a partition waiting for a checkpoint at which one is written."""
_ORPHANED_SESSIONS = 3
_TURN_SECONDS = 0.1
_TURN_WAIT = 0.2
_CONTROL_WAIT = 0.02


class OrphanedError(KafkaError):
    """A partition was fenced, and the group has not assigned it to any worker."""


def _no_ends(_: Collection[TopicPartition]) -> Mapping[TopicPartition, End]:
    return {}


class StreamEngine:
    """Partitions of one worker: opened, processed, checkpointed, handed over.

    All methods run in the thread of the event loop; calls that block run in a pool.
    """

    def __init__(
        self,
        *,
        spec: StreamSpec,
        connection: ConnectionSettings,
        read_topic_ids: Callable[[], Mapping[str, str]],
        telemetry: StreamTelemetry,
        read_ends: ReadEnds = _no_ends,
        probe: Probe = no_probe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._connection = connection
        self._telemetry = telemetry
        self._probe = probe
        self._clock = clock
        self.ownership = Ownership()
        self._leading = LeadingInputs(
            spec.leading, read_ends=read_ends, owned=self.ownership.numbers, clock=clock
        )
        self._outbox = Outbox(connection.kafka)
        self._fetcher = Fetcher(connection=connection.kafka, max_batch=connection.max_batch)
        self._inputs = InputTopics(spec, read_topic_ids, clock)
        self._opener = PartitionOpener(
            spec=spec,
            connection=connection.kafka,
            topic_ids=self._inputs.first,
            telemetry=telemetry,
            probe=probe,
        )
        self._slice = SliceSize(connection.max_batch)
        self._pool = ThreadPoolExecutor(spec.partitions + 1, thread_name_prefix="changelog")
        self._opening = asyncio.Lock()
        self._turn_over = asyncio.Event()
        self._turn_over.set()
        self._is_turning = False
        self._fenced_at: float | None = None
        self._stopping = False
        self._checkpoints = Checkpointer(
            outbox=self._outbox,
            inputs=self._inputs,
            pool=self._pool,
            telemetry=telemetry,
            fenced=self._fenced,
            failed=self.fail,
            probe=probe,
            clock=clock,
        )
        self.is_open = False
        """Whether an assignment of the group was opened at least once, be it empty."""
        self.opening_since: float | None = clock()
        """Since when partitions are being released or opened; None: all are open."""
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        """Done when the worker cannot continue; its result is the reason."""

    async def turn_is_due(self) -> bool:
        """Wait briefly for the current turn to end. Return True if the next one may start.

        A turn that was scheduled and has not begun by then was dropped by Faust.
        """
        if self.failure.done():
            await asyncio.sleep(_TURN_WAIT)  # the caller would ask again at once
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(_TURN_WAIT):
                await self._turn_over.wait()
        if self._is_turning:
            return False
        self._turn_over.clear()
        return True

    async def take_turn(self, goes_on: Callable[[], bool]) -> None:
        """Fetch and process for 0.1 s, or until there is nothing to fetch.

        An exception is not raised but becomes the result of ``failure``: Faust would restart its
        agent, and continue after the batch.

        Args:
            goes_on: called before every fetch; False ends the turn.
        """
        self._is_turning = True
        until = self._clock() + _TURN_SECONDS
        try:
            while goes_on() and self._clock() < until:
                batches = await self.fetch()
                if not batches:
                    return
                await self.process(batches)
                await asyncio.sleep(0)  # other tasks of this thread
        except BaseException as error:  # whatever it is, the worker ends of it
            if is_cancellation(error):
                raise
            self.fail(error)
        finally:
            self._is_turning = False
            self._turn_over.set()

    async def fetch(self) -> list[Batch]:
        """Return the next batches, when there is room for their outputs.

        A failure of the client stops the worker.
        """
        try:
            await self._outbox.room()
            for owned in self.ownership.partitions():
                if len(owned.outputs) > _OUTPUTS_HELD:
                    await self.checkpoint(owned)
            self._end_catching_up()
            return await self._fetcher.fetch(self.ownership)
        except OffsetLostError as error:
            reason = await self._why_lost(error)
            if isinstance(reason, TopicTruncatedError):
                await self._keep_what_was_sent(reason)
            self.fail(reason)
            raise
        except BaseException as error:
            if not is_cancellation(error):
                self.fail(error)
            raise

    async def process(self, batches: Sequence[Batch]) -> None:
        """Process the batches of one fetch; drop those that are stale.

        Partitions take turns, and none waits for a checkpoint of another.
        """
        due = [batch for batch in batches if self._is_due(batch)]
        try:
            if len(due) == 1:
                await self._process(due[0])
            else:
                await asyncio.gather(*map(self._process, due))
        except BaseException as error:
            if is_cancellation(error):
                self.ownership.advance()  # what was not processed of these is read again
            else:
                self.fail(error)
            raise

    async def open(self, partitions: Iterable[int], generation: int) -> None:
        """Own these partitions and no others: fence former owners, restore the state.

        Args:
            partitions: those that the group has assigned to this worker.
            generation: of the group; it increases with every rebalance.
        """
        async with self._opening:
            self._opening_begins()
            self._close(self.ownership.take(self.ownership.numbers()))
            self._fenced_at = None
            if self._stopping:
                return
            with making_what_stays():
                opened = await self._open(partitions)
            self.ownership.add(opened)
            self._leading.start()
            self._leading.ask_now()
            self.is_open, self.opening_since = True, None
            self._telemetry.assigned(len(opened))
            logger.info(
                "generation %d of %s: this worker owns partitions %s",
                generation,
                self._spec.group,
                [one.partition for one in opened],
            )

    async def hand_over(self, partitions: Iterable[int]) -> Mapping[tuple[str, int], int]:
        """Checkpoint and release these partitions; return their durable offsets."""
        async with self._opening:
            self._opening_begins()
            self._fenced_at = None
            taken = self.ownership.take(partitions)
            try:
                await asyncio.gather(*(self.checkpoint(one, last=True) for one in taken))
            finally:
                self._close(taken)
        return _durable(taken)

    async def stop(self) -> Mapping[tuple[str, int], int]:
        """Hand over all partitions, and open no others."""
        self._stopping = True
        self._opener.stop()
        return await self.hand_over(self.ownership.numbers())

    async def checkpoint_all(self, spread: float = 0.0) -> float:
        """Checkpoint every partition that has advanced, and check the input topics.

        Args:
            spread: seconds over which the checkpoints begin, one after the other: all at once
                would delay signals.

        Returns:
            Seconds of this thread's time that serialising the state took.

        Raises:
            TopicRecreatedError: an input topic was deleted and created again.
            OrphanedError: a fenced partition was not assigned to any worker.
        """
        before = self._checkpoints.writing_seconds
        partitions = self.ownership.partitions()
        pause = spread / max(1, len(partitions))
        await asyncio.gather(
            *(self._checkpoint_in(pause * number, one) for number, one in enumerate(partitions))
        )
        try:
            await self._inputs.verify_all()
            self._refuse_to_be_orphaned()
        except KafkaError as error:
            self.fail(error)
            raise
        return self._checkpoints.writing_seconds - before

    async def checkpoint(self, owned: OwnedPartition, *, last: bool = False) -> None:
        """Make everything processed so far durable.

        A partition that another worker owns is released; any other failure stops this worker.

        Args:
            owned: the partition.
            last: whether no record of it is processed before this checkpoint is durable.
        """
        await self._checkpoints.write_if(
            owned, lambda: owned.has_moved or (last and not owned.is_settled), last=last
        )

    def durable_offsets(self) -> Mapping[tuple[str, int], int]:
        """Return the next offsets of the last checkpoints. From any thread."""
        return _durable(self.ownership.partitions())

    @property
    def trouble(self) -> str | None:
        """Return why inputs wait for leading ones, or None. From any thread."""
        return self._leading.trouble

    @property
    def is_stopping(self) -> bool:
        """Return whether the worker is stopping and opens no partitions."""
        return self._stopping

    def failed_with(self) -> BaseException | None:
        """Return why the worker cannot continue, or None."""
        return self.failure.result() if self.failure.done() else None

    def fail(self, error: BaseException) -> None:
        """Record why the worker cannot continue; only the first reason counts."""
        if not self.failure.done():
            self.failure.set_result(ordinary(error, self._spec.group))

    def close(self) -> None:
        """Release all partitions without a checkpoint."""
        self._stopping = True
        self._opener.stop()
        self._leading.stop()
        self._close(self.ownership.take(self.ownership.numbers()))
        self._fetcher.close()
        self._pool.shutdown(wait=True)

    def _is_current(self, batch: Batch) -> bool:
        return not (
            self.failure.done()
            or batch.owned.closed
            or batch.generation != self.ownership.generation
        )

    def _is_due(self, batch: Batch) -> bool:
        if not self._is_current(batch):
            return False
        if batch.owned.is_due(batch.topic, batch.number):
            return True
        logger.info(
            "%s[%d]: a batch was dropped before it was processed; it is read again",
            batch.topic,
            batch.owned.partition,
        )
        self.ownership.advance()
        return False

    async def _process(self, batch: Batch) -> None:
        """Process a batch slice by slice, so that other tasks wait for one slice at most."""
        owned, messages, at = batch.owned, batch.messages, 0
        while self._is_current(batch) and await self._may_process(batch):
            until = self._slice.end(messages, at, owned.bound(batch.topic))
            if until == at < len(messages):
                # The next record is at or above the horizon.
                owned.next_offsets[batch.topic] = messages[at].offset() or 0
                await self._move_horizon(owned)
                continue
            is_whole = until == len(messages)
            end = batch.next_offset if is_whole else messages[until].offset() or 0
            self._take(owned, batch.topic, messages[at:until], end)
            if is_whole:
                return
            at = until
            await asyncio.sleep(0)

    async def _may_process(self, batch: Batch) -> bool:
        """Wait until the inputs of decisions are at most two seconds old.

        Returns:
            False: the batch is stale.
        """
        owned, spec = batch.owned, self._spec
        while True:
            spec.begin_batch()
            if batch.topic in spec.leading:
                return True
            if not self._leading.is_current(owned):
                self._catch_up(owned, batch.topic)
                return False
            if spec.is_control_current():
                return True
            await asyncio.sleep(_CONTROL_WAIT)
            if not self._is_current(batch):
                return False

    def _catch_up(self, owned: OwnedPartition, topic: str) -> None:
        """Read only leading inputs until all their records are processed."""
        logger.info(
            "%s[%d] waits until all %s that existed %g s ago are processed",
            topic,
            owned.partition,
            " and ".join(self._spec.leading),
            CURRENT_SECONDS,
        )
        owned.is_catching_up = True
        self._leading.ask_now()
        self.ownership.advance()

    def _end_catching_up(self) -> None:
        """Read all inputs of the partitions that have caught up."""
        caught_up = [
            owned
            for owned in self.ownership.partitions()
            if owned.is_catching_up and self._leading.is_current(owned)
        ]
        for owned in caught_up:
            owned.is_catching_up = False
        if caught_up:
            self.ownership.advance()

    def _take(
        self, owned: OwnedPartition, topic: str, messages: Sequence[Message], end: int
    ) -> None:
        started = time.perf_counter()
        try:
            outputs = owned.operator.process(topic, messages) if messages else ()
        except BaseException as error:
            if is_ordinary(error):
                raise
            raise EscapedError(error, f"processing {topic}[{owned.partition}]") from error
        if outputs:
            if self._spec.delivery is Delivery.EXACTLY_ONCE:
                owned.outputs.extend(outputs)
            else:
                self._outbox.send(outputs)
        owned.next_offsets[topic] = end
        if messages:
            owned.last_records[topic] = messages[-1]
        seconds = time.perf_counter() - started
        self._slice.took(len(messages), seconds)
        self._telemetry.batch_processed(topic, owned.partition, len(messages), seconds)

    async def _move_horizon(self, owned: OwnedPartition) -> None:
        if not owned.is_outdated:
            await self._checkpoints.write_if(owned, lambda: owned.is_at_horizon, last=False)
            return
        # The recorded versions have processed their part: open it with the new ones.
        async with self._opening:
            if not self.ownership.discard(owned):
                return
            if not await self._checkpoints.write_if(owned, lambda: not owned.is_settled, last=True):
                self._fenced_at = self._clock()
                return
            owned.close()
            self._opening_begins()
            self.ownership.add(await self._open([owned.partition]))
            self.opening_since = None

    async def _checkpoint_in(self, seconds: float, owned: OwnedPartition) -> None:
        await asyncio.sleep(seconds)
        await self._checkpoints.write_if(
            owned, lambda: owned.wants_checkpoint(self._clock()), last=False
        )

    def _fenced(self, owned: OwnedPartition) -> None:
        """Release a partition that another worker has opened."""
        if self.ownership.discard(owned):
            self._fenced_at = self._clock()
        owned.close()

    async def _open(self, partitions: Iterable[int]) -> list[OwnedPartition]:
        loop = asyncio.get_running_loop()
        try:
            opened = await asyncio.gather(
                *(loop.run_in_executor(self._pool, self._opener.open, n) for n in partitions)
            )
        except BaseException as error:
            if not is_cancellation(error):
                self.fail(error)
            raise
        mine = [one for one in opened if one is not None]
        if len(mine) < len(opened):
            self._fenced_at = self._clock()
        return mine

    def _opening_begins(self) -> None:
        if self.opening_since is None:
            self.opening_since = self._clock()

    def _refuse_to_be_orphaned(self) -> None:
        patience = _ORPHANED_SESSIONS * self._connection.session_timeout
        if self._fenced_at is not None and self._clock() > self._fenced_at + patience:
            raise OrphanedError(
                f"another process opened a partition of {self._spec.group}, and the group has not"
                f" assigned it anew within {patience:.0f} s; start this worker again"
            )

    async def _why_lost(self, error: OffsetLostError) -> KafkaError:
        """Return the cause if it is another one: a recreated or a truncated topic."""
        for owned in self.ownership.partitions():
            try:
                await self._inputs.verify(owned.durable, owned.partition, float("inf"))
                reached = replace(
                    owned.durable, offsets=dict(owned.next_offsets), marks=owned.marks()
                )
                await asyncio.to_thread(self._opener.check_inputs, owned.partition, reached)
            except KafkaError as reason:
                return reason
        return error

    async def _keep_what_was_sent(self, reason: TopicTruncatedError) -> None:
        """Checkpoint the state of records that the broker lost, if their outputs were sent.

        Otherwise a restarted worker would continue from the checkpoint before them, and send
        outputs of the records in their place with the same ids. From this one, it refuses.
        """
        if self._spec.delivery is Delivery.AT_LEAST_ONCE:
            logger.error("%s. Writing a last checkpoint before the worker ends", reason)
            with suppress(Exception):  # then it is as after a crash
                await asyncio.gather(*map(self.checkpoint, self.ownership.partitions()))

    @staticmethod
    def _close(partitions: Iterable[OwnedPartition]) -> None:
        for owned in partitions:
            owned.close()


def _durable(partitions: Iterable[OwnedPartition]) -> dict[tuple[str, int], int]:
    return {
        (topic, owned.partition): offset
        for owned in partitions
        for topic, offset in owned.durable.offsets.items()
    }
