"""What is no ordinary exception stops the worker before anything counts as processed."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from algo_panda.domain.containment import EscapedError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming import opening
from algo_panda.streaming.fetcher import Batch
from algo_panda.streaming.opening import PartitionOpener
from algo_panda.streaming.operator import Delivery, Start, StateRecord, StreamSpec, no_probe
from algo_panda.streaming.owned import Ownership
from algo_panda.streaming.telemetry import SilentStreamTelemetry
from algo_panda.streaming.worker import _or_fail
from tests.unit.streaming.test_engine import TOPIC, FakeMessage, GivenBatches, Rig, on_rig


class PanicException(BaseException):
    """Derives from BaseException, as that of PyO3 does."""


ERRORS = [
    PanicException("index out of bounds"),
    KeyboardInterrupt(),
    SystemExit(0),
    GeneratorExit(),
    asyncio.CancelledError(),
    StopIteration(),
]
both_deliveries = pytest.mark.parametrize("delivery", list(Delivery))
any_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def assert_failed_of(rig: Rig, error: BaseException) -> None:
    failure = rig.engine.failed_with()
    assert isinstance(failure, EscapedError)
    assert failure.__cause__ is error
    assert type(error).__name__ in str(failure)


@both_deliveries
@any_error
@pytest.mark.parametrize("partitions", [1, 2])
def test_in_a_turn(error: BaseException, delivery: Delivery, partitions: int) -> None:
    async def test(rig: Rig) -> None:
        if partitions > 1:  # then they are processed in tasks of their own
            await rig.engine.open(range(partitions), 2)
        owned = rig.engine.ownership.partitions()
        for one in owned:
            one.operator.process = raising(error)  # type: ignore[method-assign]

        class Given(GivenBatches):
            async def fetch(self, _: Ownership) -> list[Any]:
                generation = rig.engine.ownership.generation
                messages: list[Any] = [FakeMessage(n) for n in range(3)]
                for one in owned:
                    one.start_fetching()
                return [Batch(one, generation, 0, TOPIC, messages, 3) for one in owned]

        Given(rig, ())
        await rig.engine.take_turn(lambda: True)
        assert_failed_of(rig, error)
        assert [one.next_offsets[TOPIC] for one in owned] == [0] * partitions
        assert not await rig.engine.turn_is_due()
        assert {commit.offsets[TOPIC] for commit in rig.durable.commits} <= {0}

    on_rig(test, delivery)


@any_error
@pytest.mark.parametrize("is_first", [True, False])
def test_while_state_is_written_down(error: BaseException, is_first: bool) -> None:
    async def test(rig: Rig) -> None:
        await rig.engine.process([rig.batch(3)])

        def one_and_no_more() -> Iterator[StateRecord]:
            yield StateRecord(b"seen", b"")
            raise error

        rig.operators[0].changed = raising(error) if is_first else one_and_no_more  # type: ignore[method-assign]
        with pytest.raises((EscapedError, RuntimeError)):
            await rig.engine.checkpoint_all()
        failure = rig.engine.failed_with()
        assert failure is not None
        assert error in {failure.__cause__, failure}
        assert {commit.offsets[TOPIC] for commit in rig.durable.commits} <= {0}

    on_rig(test)


@any_error
def test_in_a_thread_that_opens_a_partition(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Restored:
        positions = None
        state: Mapping[bytes, bytes] = {}
        records_read = 0

    class Changelog:
        def __init__(self, **_: Any) -> None: ...

        def open(self, _: float) -> Restored:
            return Restored()

    class Operator:
        def restore(self, state: Mapping[bytes, bytes], start: Start) -> Any:
            raise error

    monkeypatch.setattr(opening, "PartitionChangelog", Changelog)
    monkeypatch.setattr(PartitionOpener, "_first", lambda *_: {TOPIC: 0})

    async def test(rig: Rig) -> None:
        rig.engine._opener = PartitionOpener(
            spec=StreamSpec(
                group="group",
                inputs=(TOPIC,),
                changelog="changelog",
                partitions=1,
                delivery=Delivery.AT_LEAST_ONCE,
                checkpoint_interval=1.0,
                create=lambda *_: Operator(),  # type: ignore[arg-type, return-value]
            ),
            connection=KafkaConnection("127.0.0.1:1"),
            topic_ids={TOPIC: "id"},
            telemetry=SilentStreamTelemetry(),
            probe=no_probe,
        )
        with pytest.raises(EscapedError, match="opening partition 0 of group"):
            await rig.engine.open([0], 2)
        assert_failed_of(rig, error)
        assert rig.engine.ownership.partitions() == ()

    on_rig(test)


@any_error
def test_in_a_helper_of_the_worker(error: BaseException) -> None:
    async def test(rig: Rig) -> None:
        async def work() -> None:
            try:
                raise error
            except StopIteration as one:  # cannot leave a coroutine
                raise PanicException from one

        if isinstance(error, GeneratorExit):
            return  # ends a coroutine that is being closed
        await _or_fail(rig.engine, work())
        assert isinstance(rig.engine.failed_with(), EscapedError)

    on_rig(test)


def test_a_cancelled_turn_fails_nothing_and_its_batch_is_read_again() -> None:
    async def test(rig: Rig) -> None:
        rig.engine._slice._size = 1  # so that the loop has its turn behind each record
        seen = asyncio.Event()
        process = rig.operators[0].process

        def slowly(topic: str, messages: Any) -> Any:
            seen.set()
            return process(topic, messages)

        rig.operators[0].process = slowly  # type: ignore[method-assign]
        GivenBatches(rig, (20,))
        turn = asyncio.create_task(rig.engine.take_turn(lambda: True))
        await seen.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert rig.engine.failed_with() is None
        done = rig.operators[0].processed
        assert done == list(range(len(done)))
        assert len(done) < 20
        GivenBatches(rig, (20 - len(done),))
        await rig.engine.take_turn(lambda: True)
        assert rig.operators[0].processed == list(range(20))

    on_rig(test)
