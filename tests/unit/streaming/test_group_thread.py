"""What Faust's thread for the group says where the broker is gone."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaConnectionError
from mode.threads import ServiceThread

from algo_panda.streaming.group_thread import GroupThread


class FakeClient:
    """Counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


class FakeConsumer:
    """aiokafka's, with a fetch that waits to be tried again."""

    def __init__(self) -> None:
        self._client = FakeClient()

    async def stop(self) -> None:
        waiting = asyncio.ensure_future(asyncio.sleep(3600))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting  # as aiokafka does


def made(on_start: Callable[[], None] = lambda: None) -> GroupThread:
    class OnlyThread(GroupThread):
        def __init__(self) -> None:
            ServiceThread.__init__(self)
            self._consumer = FakeConsumer()  # type: ignore[assignment]

        def __post_init__(self) -> None:
            """There is no app."""

        async def on_start(self) -> None:
            on_start()

    return OnlyThread()


def test_it_stops_although_aiokafka_cancels_what_it_awaits(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def run() -> GroupThread:
        thread = made()
        await thread.start()
        async with asyncio.timeout(10):
            await thread.stop()
        return thread

    consumer = asyncio.run(run())._consumer
    assert isinstance(consumer, FakeConsumer)
    assert consumer._client.closed == 1
    assert "Traceback" not in capfd.readouterr().err


def crash(error: Exception) -> None:
    def raise_it() -> None:
        raise error

    async def run() -> None:
        thread = made(raise_it)
        with contextlib.suppress(type(error)):  # raised here only if it comes soon enough
            await thread.start()
        thread._thread.join(10)  # type: ignore[union-attr]
        assert thread.crash_reason is error

    asyncio.run(run())


def test_a_broker_that_is_gone_is_left_for_the_worker_to_say(
    capfd: pytest.CaptureFixture[str],
) -> None:
    crash(KafkaConnectionError("no broker"))
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_is_told_with_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    crash(ZeroDivisionError("a defect"))
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert "ZeroDivisionError: a defect" in err
