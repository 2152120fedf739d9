"""The engine with everything around it replaced: what it processes, drops, commits, and when."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming.changelog import CheckpointError, FencedError, Positions
from algo_panda.streaming.engine import OrphanedError, StreamEngine
from algo_panda.streaming.fetcher import Batch, OffsetLostError
from algo_panda.streaming.marks import RecordMark
from algo_panda.streaming.operator import (
    Beginning,
    ConnectionSettings,
    Delivery,
    Output,
    Start,
    StateRecord,
    StreamSpec,
)
from algo_panda.streaming.owned import OwnedPartition, Ownership
from algo_panda.streaming.telemetry import SilentStreamTelemetry
from algo_panda.streaming.truncation import TopicTruncatedError

TOPIC = "ticks"
IDS = {TOPIC: "the-topic-id", "changelog": "its-id"}
MOCK_CLUSTER = KafkaConnection("127.0.0.1:1", client_config={"test.mock.num.brokers": 1})


class FakeMessage:
    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"1"

    def value(self) -> bytes:
        return b"%d" % self._offset

    def timestamp(self) -> tuple[int, int]:
        return 2, 1_767_600_000_000 + self._offset


class FakeOperator:
    """Says one thing about every record, and remembers them all."""

    def __init__(self, durable: "Durable", *, is_outdated: bool = False) -> None:
        self.durable = durable
        self.processed: list[int] = []
        self.closed = 0
        self.is_outdated = is_outdated
        self.start: Start | None = None

    def process(self, topic: str, messages: Sequence[Any]) -> Sequence[Output]:
        self.processed += [m.offset() for m in messages]
        self.durable.sent += [m.offset() for m in messages]
        if not self.durable.is_exactly_once:
            assert all(m.offset() < self.durable.positions.horizons[topic] for m in messages)
        return [Output("signals", b"1", b"%d" % m.offset()) for m in messages]

    def changed(self) -> Sequence[StateRecord]:
        return [StateRecord(b"seen", repr(self.processed).encode())]

    def restore(self, state: Mapping[bytes, bytes], start: Start) -> Beginning:
        self.start = start
        return Beginning(is_outdated=self.is_outdated and not start.is_settled)

    def close(self) -> None:
        self.closed += 1


@dataclass
class Durable:
    """The changelog of one partition, on the broker."""

    positions: Positions
    epoch: int = 0
    sent: list[int] = field(default_factory=list)
    commits: list[Positions] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    is_exactly_once: bool = False
    before_commit: Callable[[], None] = lambda: None


class FakeChangelog:
    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        durable.epoch += 1
        self._epoch = durable.epoch

    def commit(
        self,
        records: Sequence[StateRecord],
        positions: Positions,
        outputs: Sequence[Output],
        timeout: float,
    ) -> None:
        self._durable.before_commit()
        if self._epoch != self._durable.epoch:
            raise FencedError("changelog[0]")
        self._durable.positions = positions
        self._durable.commits.append(positions)
        self._durable.outputs += outputs


class Rig:
    """An engine on one faked partition of one topic."""

    def __init__(self, delivery: Delivery = Delivery.AT_LEAST_ONCE) -> None:
        self.now = 1000.0
        self.ids: Mapping[str, str] = IDS
        self.delivery = delivery
        start = Positions(offsets={TOPIC: 0}, horizons={TOPIC: 0}, topic_ids=IDS)
        self.durable = Durable(start, is_exactly_once=delivery is Delivery.EXACTLY_ONCE)
        self.operators: list[FakeOperator] = []
        self.is_outdated = False
        self.lost: KafkaError | None = None
        """What is found when the inputs are compared with what was processed."""
        self.compared: list[Positions] = []
        self.engine = StreamEngine(
            spec=StreamSpec(
                group="group",
                inputs=(TOPIC,),
                changelog="changelog",
                partitions=1,
                delivery=delivery,
                checkpoint_interval=1.0,
                create=lambda *_: FakeOperator(self.durable),
            ),
            connection=ConnectionSettings(kafka=MOCK_CLUSTER, session_timeout=5.0),
            read_topic_ids=lambda: self.ids,
            telemetry=SilentStreamTelemetry(),
            clock=lambda: self.now,
        )
        self.engine._opener = self  # type: ignore[assignment]
        self._numbers: dict[int, int] = {}

    def stop(self) -> None:
        """There is no replay to break off."""

    def check_inputs(self, number: int, positions: Positions) -> None:
        self.compared.append(positions)
        if self.lost is not None:
            raise self.lost

    def open(self, number: int) -> OwnedPartition:
        operator = FakeOperator(self.durable, is_outdated=self.is_outdated)
        self.operators.append(operator)
        positions = self.durable.positions
        beginning = operator.restore(
            {}, Start(offsets=positions.offsets, is_settled=positions.is_settled)
        )
        return OwnedPartition(
            partition=number,
            operator=operator,
            changelog=FakeChangelog(self.durable),  # type: ignore[arg-type]
            positions=positions,
            sends_ahead=self.delivery is Delivery.AT_LEAST_ONCE,
            is_outdated=beginning.is_outdated,
        )

    @property
    def owned(self) -> OwnedPartition:
        (one,) = self.engine.ownership.partitions()
        return one

    def batch(self, count: int, *, skip: int = 0, owned: OwnedPartition | None = None) -> Batch:
        """The next records, as the fetcher would give them: numbered anew in a generation."""
        owned = owned or self.owned
        generation = self.engine.ownership.generation
        if generation not in self._numbers:
            self._numbers = {generation: 0}
            self._at = owned.start_fetching()[TOPIC]
        number = self._numbers[generation] + skip
        self._numbers[generation] = number + 1
        first = self._at + skip * count
        self._at = first + count
        messages = [FakeMessage(n) for n in range(first, first + count)]
        return Batch(owned, generation, number, TOPIC, messages, first + count)  # type: ignore[arg-type]


def on_rig(
    test: Callable[[Rig], Awaitable[None]], delivery: Delivery = Delivery.AT_LEAST_ONCE
) -> None:
    async def run() -> None:
        rig = Rig(delivery)
        try:
            await rig.engine.open([0], 1)
            await test(rig)
        finally:
            rig.engine.close()

    asyncio.run(run())


def test_batches_are_processed_in_order_and_checkpointed() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        await rig.engine.process([rig.batch(5)])
        await rig.engine.checkpoint_all()
        assert rig.operators[0].processed == list(range(15))
        assert rig.engine.durable_offsets() == {(TOPIC, 0): 15}
        await rig.engine.checkpoint_all()  # nothing moved

    on_rig(test)


class GivenBatches:
    """In place of the fetcher: one batch after the other, then nothing."""

    def __init__(self, rig: Rig, sizes: Sequence[int], *, seconds: float = 0.0) -> None:
        self._rig, self._sizes, self._seconds = rig, list(sizes), seconds
        rig.engine._fetcher = self  # type: ignore[assignment]

    async def fetch(self, _: Ownership) -> list[Batch]:
        self._rig.now += self._seconds
        return [self._rig.batch(self._sizes.pop(0))] if self._sizes else []

    def close(self) -> None:
        pass


def test_in_a_turn_all_that_there_is_is_processed() -> None:
    async def test(rig: Rig) -> None:
        GivenBatches(rig, (3, 1, 2))
        assert await rig.engine.turn_is_due()
        await rig.engine.take_turn(lambda: True)
        assert rig.operators[0].processed == list(range(6))
        assert await rig.engine.turn_is_due()

    on_rig(test)


def test_a_turn_ends_after_its_time_and_where_a_rebalance_begins() -> None:
    async def test(rig: Rig) -> None:
        GivenBatches(rig, [1] * 100, seconds=0.03)
        await rig.engine.take_turn(lambda: True)
        assert 1 < len(rig.operators[0].processed) < 10
        before = list(rig.operators[0].processed)
        await rig.engine.take_turn(lambda: False)
        assert rig.operators[0].processed == before

    on_rig(test)


def test_one_turn_at_a_time_is_handed_out_and_one_that_got_lost_again() -> None:
    async def test(rig: Rig) -> None:
        taken, asked = asyncio.Event(), asyncio.Event()

        class Waiting(GivenBatches):
            async def fetch(self, owned: Ownership) -> list[Batch]:
                taken.set()
                await asked.wait()
                return await super().fetch(owned)

        Waiting(rig, ())
        assert await rig.engine.turn_is_due()
        assert await rig.engine.turn_is_due()  # nobody began: it was dropped
        turn = asyncio.create_task(rig.engine.take_turn(lambda: True))
        await taken.wait()
        assert not await rig.engine.turn_is_due()
        asked.set()
        await turn
        assert await rig.engine.turn_is_due()

    on_rig(test)


def test_a_turn_that_fails_is_the_last() -> None:
    async def test(rig: Rig) -> None:
        class Broken(GivenBatches):
            async def fetch(self, _: Ownership) -> list[Batch]:
                raise OffsetLostError("gone")

        Broken(rig, ())
        await rig.engine.take_turn(lambda: True)
        assert isinstance(rig.engine.failed_with(), OffsetLostError)
        assert not await rig.engine.turn_is_due()

    on_rig(test)


@pytest.mark.parametrize(
    ("delivery", "durable"), [(Delivery.AT_LEAST_ONCE, 10), (Delivery.EXACTLY_ONCE, 0)]
)
def test_of_lost_records_only_what_led_to_outputs_becomes_durable(
    delivery: Delivery, durable: int
) -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])

        class Lost(GivenBatches):
            async def fetch(self, _: Ownership) -> list[Batch]:
                raise OffsetLostError("the end of the log is gone")

        Lost(rig, ())
        rig.lost = TopicTruncatedError("ticks lost records")
        await rig.engine.take_turn(lambda: True)
        assert rig.engine.failed_with() is rig.lost
        # Compared is what was processed, not what the last checkpoint holds.
        assert rig.compared[-1].offsets == {TOPIC: 10}
        assert rig.compared[-1].marks == {TOPIC: RecordMark.of(FakeMessage(9))}
        assert rig.durable.positions.offsets == {TOPIC: durable}
        assert rig.durable.positions.marks == (rig.compared[-1].marks if durable else {})

    on_rig(test, delivery)


def test_an_offset_that_retention_took_stays_what_it_is() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])

        class Lost(GivenBatches):
            async def fetch(self, _: Ownership) -> list[Batch]:
                raise OffsetLostError("no longer retained")

        Lost(rig, ())
        await rig.engine.take_turn(lambda: True)
        assert isinstance(rig.engine.failed_with(), OffsetLostError)
        assert rig.durable.positions.offsets == {TOPIC: 0}

    on_rig(test)


def test_the_state_of_one_partition_is_written_down_before_that_of_the_next() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.open([0, 1], 2)
        written: list[int] = []

        def records(number: int) -> Iterator[StateRecord]:
            for _ in range(3):
                began = time.perf_counter()
                while time.perf_counter() < began + 0.01:  # more than a slice
                    pass
                written.append(number)
                yield StateRecord(b"seen", b"")

        for owned in rig.engine.ownership.partitions():
            owned.changelog._epoch = rig.durable.epoch  # they share what is durable
            owned.operator.changed = partial(records, owned.partition)  # type: ignore[method-assign]
            owned.next_offsets[TOPIC] = 5
        await rig.engine.checkpoint_all()
        assert written in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
        assert len(rig.durable.commits) == 2

    on_rig(test)


def test_a_batch_out_of_number_is_dropped_and_read_again() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        generation = rig.engine.ownership.generation
        await rig.engine.process([rig.batch(10, skip=1)])
        assert rig.engine.ownership.generation > generation
        assert rig.operators[0].processed == list(range(10))
        await rig.engine.process([rig.batch(20)])
        assert rig.operators[0].processed == list(range(30))

    on_rig(test)


def test_batches_from_before_a_rebalance_are_dropped() -> None:
    async def test(rig: Rig) -> None:
        stale = rig.batch(10)
        await rig.engine.open([0], 2)
        await rig.engine.process([stale])
        assert [o.processed for o in rig.operators] == [[], []]

    on_rig(test)


def test_nothing_is_processed_once_a_partition_is_being_handed_over() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        owned, entered, go = rig.owned, threading.Event(), threading.Event()

        def wait() -> None:
            entered.set()
            assert go.wait(10)

        rig.durable.before_commit = wait
        handing = asyncio.ensure_future(rig.engine.hand_over([0]))
        await asyncio.to_thread(entered.wait, 10)
        assert rig.engine.ownership.partitions() == ()
        assert await _fetchable(rig) == []
        go.set()
        assert await handing == {(TOPIC, 0): 10}
        assert owned.closed
        assert rig.operators[0].closed == 1
        assert rig.durable.positions.is_settled

    on_rig(test)


async def _fetchable(rig: Rig) -> list[int]:
    return [one.partition for one in rig.engine.ownership.partitions()]


def test_a_batch_from_before_a_handover_is_dropped_while_the_last_checkpoint_is_written() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        fetched, entered, go = rig.batch(5), threading.Event(), threading.Event()

        def wait() -> None:
            entered.set()
            assert go.wait(10)

        rig.durable.before_commit = wait
        handing = asyncio.ensure_future(rig.engine.hand_over([0]))
        await asyncio.to_thread(entered.wait, 10)
        await rig.engine.process([fetched])
        go.set()
        assert await handing == {(TOPIC, 0): 10}
        assert rig.operators[0].processed == list(range(10))

    on_rig(test)


def test_a_call_cancelled_between_two_slices_is_gone_on_with_where_it_stopped() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(1)])  # and so it has a horizon
        cancelled = asyncio.ensure_future(rig.engine.process([rig.batch(900)]))
        while len(rig.operators[0].processed) == 1:
            await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert cancelled.cancelled()
        done = len(rig.operators[0].processed)
        assert 1 < done < 901
        assert rig.owned.next_offsets == {TOPIC: done}
        await rig.engine.process([rig.batch(50)])
        assert rig.operators[0].processed == list(range(done + 50))

    on_rig(test)


def test_between_two_slices_the_position_is_behind_what_was_processed() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(1)])
        processing = asyncio.ensure_future(rig.engine.process([rig.batch(900)]))
        seen = set[int]()
        while not processing.done():
            await asyncio.sleep(0)
            seen.add(len(rig.operators[0].processed))
            assert rig.owned.next_offsets == {TOPIC: len(rig.operators[0].processed)}
        assert len(seen) > 2

    on_rig(test)


def test_a_checkpoint_is_written_when_the_broker_has_the_outputs_before_it() -> None:
    async def test(rig: Rig) -> None:
        steps: list[str] = []

        async def confirmed() -> None:
            steps.append("outputs confirmed")

        await rig.engine.process([rig.batch(10)])
        rig.engine._outbox.confirmed = confirmed  # type: ignore[method-assign]
        rig.durable.before_commit = lambda: steps.append("checkpoint written")
        await rig.engine.checkpoint_all()
        assert steps == ["outputs confirmed", "checkpoint written"]

    on_rig(test)


def test_what_is_processed_while_state_is_written_down_belongs_to_the_next_checkpoint() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        begun = asyncio.Event()

        def changed() -> Iterator[StateRecord]:
            begun.set()
            for _ in range(9):
                until = time.perf_counter() + 0.003  # more than a slice
                while time.perf_counter() < until:
                    pass
                yield StateRecord(b"seen", b"")

        async def go_on() -> None:
            await begun.wait()
            await rig.engine.process([rig.batch(5)])

        rig.operators[0].changed = changed  # type: ignore[method-assign]
        at_commit: list[int] = []
        rig.durable.before_commit = lambda: at_commit.append(rig.owned.next_offsets[TOPIC])
        await asyncio.gather(rig.engine.checkpoint_all(), go_on())
        assert at_commit == [15]
        assert rig.durable.positions.offsets == {TOPIC: 10}
        assert rig.durable.positions.marks == {TOPIC: RecordMark.of(FakeMessage(9))}

    on_rig(test)


def test_a_partition_that_comes_back_outlives_the_refused_checkpoint_of_its_former_life() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        former, entered, go = rig.owned, threading.Event(), threading.Event()

        def wait() -> None:
            entered.set()
            assert go.wait(10)

        rig.durable.before_commit = wait
        late = asyncio.ensure_future(rig.engine.checkpoint(former))
        await asyncio.to_thread(entered.wait, 10)
        rig.durable.before_commit = lambda: None
        await rig.engine.open([0], 2)
        again = rig.owned
        go.set()
        await late
        assert rig.owned is again
        assert not again.closed
        await rig.engine.process([rig.batch(3)])
        await rig.engine.checkpoint_all()
        assert rig.operators[1].processed[-3:] == list(
            range(rig.operators[1].start.offsets[TOPIC], rig.owned.next_offsets[TOPIC])
        )

    on_rig(test)


def test_a_fenced_worker_lets_go_of_the_partition_and_of_its_state() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        commits = len(rig.durable.commits)
        rig.durable.epoch += 1
        await rig.engine.process([rig.batch(10)])
        await rig.engine.checkpoint_all()
        assert rig.engine.ownership.partitions() == ()
        assert len(rig.durable.commits) == commits
        assert rig.operators[0].closed == 1
        assert not rig.engine.failure.done()

    on_rig(test)


def test_a_worker_whose_partition_nobody_gets_ends_with_an_error() -> None:
    async def test(rig: Rig) -> None:
        rig.durable.epoch += 1
        await rig.engine.process([rig.batch(10)])
        await rig.engine.checkpoint_all()
        rig.now += 14
        await rig.engine.checkpoint_all()
        rig.now += 2
        with pytest.raises(OrphanedError, match="start this worker again"):
            await rig.engine.checkpoint_all()
        assert isinstance(rig.engine.failure.result(), OrphanedError)

    on_rig(test)


def test_a_rebalance_after_a_fence_is_what_was_waited_for() -> None:
    async def test(rig: Rig) -> None:
        rig.durable.epoch += 1
        await rig.engine.process([rig.batch(10)])
        await rig.engine.checkpoint_all()
        await rig.engine.open([0], 2)
        rig.now += 100
        await rig.engine.checkpoint_all()
        assert not rig.engine.failure.done()

    on_rig(test)


def test_after_a_failed_checkpoint_nothing_more_is_processed_or_committed() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        durable = rig.engine.durable_offsets()

        def refuse() -> None:
            raise CheckpointError("the broker did not answer")

        rig.durable.before_commit = refuse
        with pytest.raises(CheckpointError):
            await rig.engine.checkpoint_all()
        await rig.engine.process([rig.batch(10)])
        assert rig.operators[0].processed == list(range(10))
        assert rig.engine.durable_offsets() == durable
        assert isinstance(rig.engine.failure.result(), CheckpointError)

    on_rig(test)


def test_a_strategy_host_that_raises_stops_the_worker_before_the_next_batch() -> None:
    async def test(rig: Rig) -> None:
        def break_down(*_: object) -> Sequence[Output]:
            raise ZeroDivisionError

        await rig.engine.process([rig.batch(10)])
        rig.operators[0].process = break_down  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            await rig.engine.process([rig.batch(10)])
        sent = list(rig.durable.sent)
        await rig.engine.process([rig.batch(10)])
        assert rig.durable.sent == sent

    on_rig(test)


def test_no_record_is_processed_beyond_the_durable_horizon() -> None:
    async def test(rig: Rig) -> None:
        for size in (1, 999, 5_000, 30_000, 7):
            await rig.engine.process([rig.batch(size)])  # the operator asserts it
        assert rig.operators[0].processed == list(range(36_007))
        assert 2 <= len(rig.durable.commits) <= 8

    on_rig(test)


def test_no_partition_waits_for_the_checkpoint_of_another() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.open([0, 1], 2)
        waiting, going_on = rig.engine.ownership.partitions()
        for owned in (waiting, going_on):
            owned.changelog._epoch = rig.durable.epoch  # they share what is durable
            owned.start_fetching()
        generation = rig.engine.ownership.generation

        def batch(owned: OwnedPartition, number: int, first: int) -> Batch:
            messages = [FakeMessage(n) for n in range(first, first + 10)]
            return Batch(owned, generation, number, TOPIC, messages, first + 10)  # type: ignore[arg-type]

        await rig.engine.process([batch(going_on, 0, 0)])  # and so it has a horizon
        went_on = threading.Event()
        process = going_on.operator.process

        def processed(topic: str, messages: Sequence[Any]) -> Sequence[Output]:
            went_on.set()
            return process(topic, messages)

        going_on.operator.process = processed  # type: ignore[method-assign]
        rig.durable.before_commit = lambda: _assert(went_on.wait(30))
        await rig.engine.process([batch(waiting, 0, 0), batch(going_on, 1, 10)])
        assert rig.operators[-2].processed == list(range(10))
        assert rig.operators[-1].processed == list(range(20))

    on_rig(test)


def _assert(so: bool) -> None:
    assert so


def test_an_outdated_operator_goes_on_to_the_horizon_and_is_made_anew_there() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        await rig.engine.checkpoint_all()
        horizon = rig.durable.positions.horizons[TOPIC]
        rig.is_outdated = True
        await rig.engine.open([0], 2)  # after a crash: nothing was handed over
        outdated = rig.operators[-1]
        await rig.engine.process([rig.batch(horizon + 100)])
        assert outdated.processed == list(range(10, horizon))
        assert outdated.closed == 1
        anew = rig.operators[-1]
        assert anew is not outdated
        assert anew.start == Start(offsets={TOPIC: horizon}, is_settled=True)
        await rig.engine.process([rig.batch(50)])
        assert anew.processed == list(range(horizon, horizon + 50))

    on_rig(test)


def test_after_a_clean_handover_an_operator_is_never_outdated() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        await rig.engine.hand_over([0])
        rig.is_outdated = True
        await rig.engine.open([0], 2)
        assert rig.operators[-1].start == Start(offsets={TOPIC: 10}, is_settled=True)

    on_rig(test)


def test_a_stopping_worker_opens_nothing() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        assert await rig.engine.stop() == {(TOPIC, 0): 10}
        await rig.engine.open([0], 2)
        assert rig.engine.ownership.partitions() == ()

    on_rig(test)


def test_it_says_since_when_partitions_are_not_open() -> None:
    async def test(rig: Rig) -> None:
        engine = rig.engine
        assert (engine.is_open, engine.opening_since) == (True, None)
        rig.now += 1
        handed_over_at = rig.now
        await engine.hand_over([0])
        assert engine.opening_since == handed_over_at
        rig.now += 1
        during: list[float | None] = []
        open_one = rig.open

        def look_and_open(number: int) -> OwnedPartition:
            during.append(engine.opening_since)
            return open_one(number)

        rig.open = look_and_open  # type: ignore[method-assign]
        await engine.open([0], 2)
        assert during == [handed_over_at]
        assert engine.opening_since is None
        await engine.open([], 3)
        assert (engine.is_open, engine.opening_since) == (True, None)

    on_rig(test)


def test_a_topic_created_anew_meanwhile_stops_the_checkpoint() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(10)])
        before = len(rig.durable.commits)
        rig.ids = {TOPIC: "another-id"}
        rig.now += 5
        with pytest.raises(KafkaError, match="deleted and created anew"):
            await rig.engine.checkpoint_all()
        assert len(rig.durable.commits) == before

    on_rig(test)


def test_a_topic_created_anew_stops_a_worker_without_partitions_as_well() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.open([], 2)
        rig.ids = {TOPIC: "another-id"}
        rig.now += 5
        with pytest.raises(KafkaError, match=r"is of topic id the-topic-id, .* now has id another"):
            await rig.engine.checkpoint_all()

    on_rig(test)


def test_exactly_once_outputs_leave_with_the_checkpoint_and_with_nothing_else() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(2_000)])
        assert rig.durable.outputs == []
        await rig.engine.checkpoint_all()
        assert [o.value for o in rig.durable.outputs] == [b"%d" % n for n in range(2_000)]
        assert rig.owned.outputs == []

    on_rig(test, Delivery.EXACTLY_ONCE)


def test_exactly_once_outputs_do_not_pile_up() -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(50_001)])
        rig.engine._fetcher.fetch = _nothing  # type: ignore[assignment]
        assert await rig.engine.fetch() == []
        assert len(rig.durable.outputs) == 50_001

    on_rig(test, Delivery.EXACTLY_ONCE)


async def _nothing(_: object) -> list[Batch]:
    return []
