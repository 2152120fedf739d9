"""From a signal to the end of the process."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import pytest

from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.errors import KafkaError
from algo_panda.streaming.stopping import StopDeadline, StopTimeoutError


class Ends:
    """Stands in for the end of the process."""

    def __init__(self) -> None:
        self.errors: list[BaseException | None] = []
        self.came = threading.Event()

    def __call__(self, error: BaseException | None) -> None:
        self.errors.append(error)
        self.came.set()


def signalled(deadline: StopDeadline, told: asyncio.Event) -> None:
    async def run() -> None:
        with deadline.listening(asyncio.get_running_loop()):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(told.wait(), 10)

    asyncio.run(run())


def test_the_signal_reaches_the_loop_and_then_time_runs_out() -> None:
    ends, told = Ends(), asyncio.Event()
    signalled(StopDeadline(told.set, 0.01, ends), told)
    assert ends.came.wait(10)
    (error,) = ends.errors
    assert isinstance(error, StopTimeoutError)
    assert error.exit_code == 4


def test_a_loop_that_hangs_does_not_keep_the_process() -> None:
    ends = Ends()

    async def hang() -> None:
        with StopDeadline(lambda: None, 0.01, ends).listening(asyncio.get_running_loop()):
            os.kill(os.getpid(), signal.SIGTERM)
            while not ends.came.is_set():  # the loop gets nothing to do meanwhile
                pass

    asyncio.run(hang())
    assert len(ends.errors) == 1


def test_what_went_before_decides_what_it_ends_with() -> None:
    for outcome in (None, KafkaError("refused")):
        ends, told = Ends(), asyncio.Event()
        deadline = StopDeadline(told.set, 0.05, ends)
        deadline.settle(outcome)
        signalled(deadline, told)
        assert ends.came.wait(10)
        assert ends.errors == [outcome]


def test_a_second_signal_gives_no_more_time() -> None:
    ends = Ends()
    calls: list[None] = []

    async def run() -> None:
        with StopDeadline(lambda: calls.append(None), 0.05, ends).listening(
            asyncio.get_running_loop()
        ):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
            await asyncio.to_thread(ends.came.wait, 10)

    asyncio.run(run())
    assert (len(ends.errors), len(calls)) == (1, 1)


def test_other_signals_handlers_are_as_before_in_the_end() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ends, told = Ends(), asyncio.Event()
    signalled(StopDeadline(told.set, 0.01, ends), told)
    assert ends.came.wait(10)
    assert signal.getsignal(signal.SIGTERM) is before


def ignore() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def take() -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])


def take_in_the_loop() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)


@pytest.mark.parametrize("change", [ignore, take, block, take_in_the_loop])
def test_signals_that_a_strategy_took_stop_the_worker_again(
    change: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    ends, told = Ends(), asyncio.Event()
    deadline = StopDeadline(told.set, 0.01, ends)

    async def run() -> None:
        with deadline.listening(asyncio.get_running_loop()):
            deadline.listen_again()
            assert not caplog.records
            for _ in range(2):
                change()
                deadline.listen_again()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(told.wait(), 10)

    asyncio.run(run())
    assert ends.came.wait(10)
    (warning,) = caplog.messages
    assert "took or blocked SIG" in warning
    assert "SIGTERM" in warning


def test_an_interrupt_that_a_strategy_raises_is_no_ctrl_c_whatever_handler_it_set() -> None:
    async def run() -> None:
        with StopDeadline(lambda: None, 0.01, Ends()).listening(asyncio.get_running_loop()):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            assert not is_interrupt(KeyboardInterrupt())

    before = signal.getsignal(signal.SIGINT)
    assert before is signal.default_int_handler
    asyncio.run(run())
    assert signal.getsignal(signal.SIGINT) is before
    assert is_interrupt(KeyboardInterrupt())
