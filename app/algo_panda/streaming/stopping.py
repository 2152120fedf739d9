"""Ends a worker within a deadline after SIGTERM or SIGINT, even if it hangs."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

from algo_panda.domain.containment import without_interrupts
from algo_panda.domain.errors import KafkaError, PandaError

logger = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""Time from the signal until the process has ended."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopTimeoutError(KafkaError):
    """The last checkpoint could not be written in time, most likely because no broker answers."""


def end_process(error: BaseException | None) -> None:
    """End this process now, from any thread, with the message and the exit code of ``error``.

    Threads of client libraries are not waited for. Without an error, the exit code is 0.
    """
    code = 0
    if error is not None:
        code = error.exit_code if isinstance(error, PandaError) else 1
        # Not sys.stderr: a thread that hangs may hold its lock.
        with suppress(OSError):
            os.write(2, f"error: {error}\n".encode(errors="replace"))
    os._exit(code)


class StopDeadline:
    """Deadline of the process after the first SIGTERM or SIGINT.

    A clean stop needs a broker that answers: without one, clients wait for minutes, and no timeout
    of ours ends their threads. To give up loses nothing: the state on the broker is that of the
    last checkpoint, and records after it are processed again.
    """

    def __init__(
        self,
        on_stop: Callable[[], None],
        seconds: float = STOP_SECONDS,
        end: Callable[[BaseException | None], None] = end_process,
    ) -> None:
        """Prepare; signals are handled in ``listening``.

        Args:
            on_stop: called once, in the event loop.
            seconds: from the signal to the end.
            end: ends the process.
        """
        self._on_stop = on_stop
        self._seconds = seconds
        self._end = end
        self._timer: threading.Timer | None = None
        self._handler: Callable[[int, FrameType | None], None] | None = None
        self._has_warned = False
        self._outcome: BaseException | None = StopTimeoutError(
            f"told to stop, and the last checkpoint could not be written within {seconds:.0f} s:"
            " the broker does not answer, or a strategy does not return. Records processed since"
            " the checkpoint before will be processed again"
        )

    @contextmanager
    def listening(self, loop: asyncio.AbstractEventLoop) -> Generator[None]:
        """Handle the signals until the end of the block; the deadline continues after it."""

        def told(_number: int, _frame: FrameType | None) -> None:
            # A handler of Python, not of the event loop: it also runs if the loop hangs.
            if self._timer is None:
                self._timer = threading.Timer(self._seconds, self._give_up)
                self._timer.daemon = True
                self._timer.start()
                loop.call_soon_threadsafe(self._on_stop)

        before = [(number, signal.signal(number, told)) for number in _SIGNALS]
        self._handler = told
        try:
            with without_interrupts():
                yield
        finally:
            self._handler = None
            for number, handler in before:
                signal.signal(number, handler)

    def listen_again(self) -> None:
        """Take the signals again if users' code took or blocked them; call in the main thread."""
        if self._handler is None:
            return
        lost = [one for one in _SIGNALS if signal.getsignal(one) is not self._handler]
        for number in lost:
            signal.signal(number, self._handler)
        blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS).intersection(_SIGNALS)
        if (lost or blocked) and not self._has_warned:
            self._has_warned = True
            names = ", ".join(sorted({signal.Signals(one).name for one in (*lost, *blocked)}))
            logger.warning(
                "a strategy, or a library that it uses, took or blocked %s, which stop the worker."
                " The worker takes them again, from now on without another warning; remove this"
                " from the strategy",
                names,
            )

    def settle(self, error: BaseException | None) -> None:
        """Set the error to end with, if the process does not end by itself before the deadline."""
        self._outcome = error

    def _give_up(self) -> None:
        self._end(self._outcome)
