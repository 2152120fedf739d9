"""Which errors of the group end a worker, and which it waits out; none is passed over."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import errors
from aiokafka.consumer.group_coordinator import GroupCoordinator

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming import worker
from algo_panda.streaming.faust_app import StreamApp
from algo_panda.streaming.group_trouble import GroupTrouble
from algo_panda.streaming.operator import ConnectionSettings, Delivery, StreamSpec

CONNECTION = ConnectionSettings(kafka=KafkaConnection("broker:9092"), session_timeout=7)
SPEC = StreamSpec(
    group="panda-runner",
    inputs=("ticks",),
    changelog="changelog",
    partitions=1,
    delivery=Delivery.AT_LEAST_ONCE,
    checkpoint_interval=1.0,
    create=lambda *_: None,  # type: ignore[arg-type,return-value]
)


class Coordinator(GroupCoordinator):
    """aiokafka's own, without a client: refused again and again, as long as there is an error."""

    def __init__(self, error: BaseException | None) -> None:
        self._subscription = self  # abort_waiters
        self._closing = asyncio.get_running_loop().create_future()
        self._pending_exception = None
        self._error_consumed_fut = None
        self.error = error
        self.attempts = 0
        self._coordination_task = asyncio.ensure_future(self._join())

    def abort_waiters(self, _error: BaseException) -> None:
        """Nobody waits."""

    async def _join(self) -> None:
        while self.error is not None:
            self.attempts += 1
            if not isinstance(self.error, errors.KafkaError):
                raise self.error
            await self._push_error_to_user(self.error)
        await self._closing


class App(StreamApp):
    """Only what is watched of one."""

    crash_reason: Any = None
    _coordinator: Any = None


class Engine:
    def __init__(self) -> None:
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def fail(self, error: BaseException) -> None:
        if not self.failure.done():
            self.failure.set_result(error)

    def failed_with(self) -> BaseException | None:
        return self.failure.result() if self.failure.done() else None


class Rig:
    def __init__(self, error: BaseException | None) -> None:
        self.app: Any = App.__new__(App)
        self.app._coordinator = self.coordinator = Coordinator(error)
        self.engine: Any = Engine()
        self.group = GroupTrouble("panda-runner")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Watch until then."""
        watching = asyncio.ensure_future(worker._watch(self.app, self.engine, self.group))
        try:
            async with asyncio.timeout(30):
                while not condition():
                    await asyncio.sleep(0.001)
        finally:
            watching.cancel()
            self.coordinator._coordination_task.cancel()
            await asyncio.wait([watching, self.coordinator._coordination_task])

    def failure(self) -> str:
        found = worker._failure(self.engine, SPEC, CONNECTION)
        return "" if found is None else str(found)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_WATCH_INTERVAL", 0.001)
    monkeypatch.setattr(worker, "_JOIN_INTERVAL", 0.002)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            errors.InvalidSessionTimeoutError(),
            "a session time-out of 7 s; set PANDA_KAFKA_SESSION_TIMEOUT_SECONDS to a value",
        ),
        (errors.InvalidGroupIdError(), "InvalidGroupIdError"),
        (errors.GroupAuthorizationFailedError("g"), "cannot join the consumer group panda-runner"),
        (errors.KafkaError("UnknownError()"), "UnknownError()"),
        (ZeroDivisionError("a defect of the client"), "a defect of the client"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_no_waiting_changes_ends_the_worker_with_its_reason(
    error: BaseException, said: str
) -> None:
    async def run() -> Rig:
        rig = Rig(error)
        await rig.until(rig.engine.failure.done)
        return rig

    assert said in asyncio.run(run()).failure()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.InconsistentGroupProtocolError(), "uses another assignment protocol"),
        (errors.NodeNotReadyError("node 1"), "node 1"),
        (errors.RequestTimedOutError(), "RequestTimedOutError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_may_pass_is_told_and_tried_again_until_it_has_passed(
    error: BaseException, said: str
) -> None:
    async def run() -> Rig:
        rig = Rig(error)

        def tried() -> bool:
            if rig.coordinator.attempts == 5:
                assert said in str(rig.group.trouble)
                rig.coordinator.error = None
            return rig.coordinator.attempts == 5 and rig.app.group_error is None

        await rig.until(tried)
        return rig

    rig = asyncio.run(run())
    assert rig.failure() == ""
    assert not rig.engine.failure.done()


def test_a_worker_that_is_a_member_is_left_alone() -> None:
    async def run() -> Rig:
        rig = Rig(None)
        looks = iter(range(50))
        await rig.until(lambda: next(looks, None) is None)
        return rig

    rig = asyncio.run(run())
    assert rig.failure() == ""
    assert rig.group.trouble is None


def test_a_crash_ends_the_worker_whatever_kind_of_error_it_is() -> None:
    async def run() -> Rig:
        rig = Rig(None)
        rig.app.crash_reason = errors.KafkaConnectionError("no broker")
        await rig.until(rig.engine.failure.done)
        return rig

    assert "no broker" in asyncio.run(run()).failure()
