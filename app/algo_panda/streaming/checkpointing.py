"""Writes checkpoints: state, offsets and outputs of one moment, or nothing."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from algo_panda.domain.containment import EscapedError, is_ordinary
from algo_panda.streaming.cancellation import is_cancellation
from algo_panda.streaming.changelog import FencedError
from algo_panda.streaming.inputs import InputTopics
from algo_panda.streaming.opening import BROKER_TIMEOUT
from algo_panda.streaming.operator import Probe, StateRecord
from algo_panda.streaming.outbox import Outbox
from algo_panda.streaming.owned import OwnedPartition
from algo_panda.streaming.telemetry import StreamTelemetry

logger = logging.getLogger(__name__)

_SLICE_SECONDS = 0.002
"""Time of serialising state, after which ticks are processed before it continues."""


class Checkpointer:
    """Writer of the checkpoints of partitions; those of one partition are written in sequence."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        inputs: InputTopics,
        pool: Executor,
        telemetry: StreamTelemetry,
        fenced: Callable[[OwnedPartition], None],
        failed: Callable[[BaseException], None],
        probe: Probe,
        clock: Callable[[], float],
    ) -> None:
        """Keep the parts that a checkpoint needs.

        Args:
            outbox: its outputs must be acknowledged before a checkpoint is committed.
            inputs: these must still be the same topics.
            pool: runs the calls that write to the changelog.
            telemetry: counts checkpoints.
            fenced: called with a partition that another worker owns.
            failed: called with the reason why the worker cannot continue.
            probe: called after every step.
            clock: seconds, monotonic.
        """
        self._outbox = outbox
        self._inputs = inputs
        self._pool = pool
        self._telemetry = telemetry
        self._fenced = fenced
        self._failed = failed
        self._probe = probe
        self._clock = clock
        self._turn = asyncio.Lock()
        self.writing_seconds = 0.0
        """Time of the event loop that serialising state has taken so far."""

    async def write_if(
        self, owned: OwnedPartition, is_needed: Callable[[], bool], *, last: bool
    ) -> bool:
        """Write a checkpoint, if ``is_needed`` still returns True after earlier ones are written.

        Returns:
            Whether this worker still owns the partition.
        """
        async with owned.lock:
            if owned.closed:
                return False
            if not is_needed():
                return True
            try:
                return await self._write(owned, last=last)
            except FencedError as error:
                logger.warning("%s: another worker owns the partition now; it is released", error)
                self._fenced(owned)
                return False
            except BaseException as error:
                if not is_cancellation(error):
                    self._failed(error)
                raise

    async def _write(self, owned: OwnedPartition, *, last: bool) -> bool:
        """Return whether it was written; False if the partition was released meanwhile."""
        started = time.perf_counter()
        # One at a time: ticks would have to wait for a slice of each.
        async with self._turn:
            if owned.closed:
                return False
            taken_at = self._clock()
            # State, positions and outputs are those of one moment; processing goes on meanwhile.
            positions = owned.next_positions(last=last)
            changed = _changed(owned)
            outputs, owned.outputs = owned.outputs, []
            records = await self._collect(owned, changed)
        if records is None:
            return False
        self._probe("checkpoint: state taken")
        await self._outbox.confirmed()
        self._probe("checkpoint: outputs confirmed")
        await self._inputs.verify(positions, owned.partition, taken_at)
        await asyncio.get_running_loop().run_in_executor(
            self._pool, owned.changelog.commit, records, positions, outputs, BROKER_TIMEOUT
        )
        owned.made_durable(positions, self._clock())
        self._telemetry.checkpointed(owned.partition, time.perf_counter() - started, len(records))
        return True

    async def _collect(
        self, owned: OwnedPartition, changed: Iterator[StateRecord]
    ) -> list[StateRecord] | None:
        """Serialise state slice by slice, so that signals do not wait for all of it."""
        records: list[StateRecord] = []
        clock = time.perf_counter
        began = clock()
        while (record := _next(changed, owned.partition)) is not None:
            records.append(record)
            now = clock()
            if now - began > _SLICE_SECONDS:
                self.writing_seconds += now - began
                await asyncio.sleep(0)
                if owned.closed:
                    return None
                began = clock()
        self.writing_seconds += clock() - began
        return records


def _changed(owned: OwnedPartition) -> Iterator[StateRecord]:
    try:
        return iter(owned.operator.changed())
    except BaseException as error:
        if is_ordinary(error):
            raise
        raise EscapedError(error, f"writing down partition {owned.partition}") from error


def _next(changed: Iterator[StateRecord], partition: int) -> StateRecord | None:
    """Return the next record, or None. Serialising one may run code of strategies."""
    try:
        return next(changed, None)
    except BaseException as error:
        if is_ordinary(error):
            raise
        raise EscapedError(error, f"writing down partition {partition}") from error
