"""Processes that do pieces of work, one piece in each at a time.

They are spawned, not forked: a fork would copy the locks of the threads that Kafka's and Arrow's
libraries have. None is left behind, even where this one is killed.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Generic, TypeVar

from algo_panda.children import safe_path_for_children, when_parent_ends
from algo_panda.domain.errors import PandaError

LOOK_SECONDS = 0.1
"""Longest wait without a look at whether to stop."""
GRACE_SECONDS = 2.0
"""How long processes have to see that they are to stop."""

T = TypeVar("T")
R = TypeVar("R")


class WorkersError(PandaError):
    """The processes cannot work; the message says what is known."""


class Processes(Generic[T, R]):
    """Some processes that do the same; they begin with the first piece of work.

    Args:
        work: done in the processes; importable there.
        prepare: called first in every process; importable there. It gets a function that says
            whether to stop, then ``arguments``.
        arguments: sent to every process.
        jobs: how many processes.
        folder: of files that they share, removed by them where this process is killed.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        *,
        prepare: Callable[..., None],
        arguments: tuple[Any, ...],
        jobs: int,
        folder: Path | None = None,
    ) -> None:
        self._work = work
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")
        with safe_path_for_children():  # it may start the tracker of shared resources
            self._stop: Event = self._context.Event()
        self._arguments = (folder, self._stop, prepare, arguments)
        self._others = set(multiprocessing.active_children())
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, piece: T) -> Future[R]:
        """Have ``piece`` done; ``BrokenProcessPool`` where its process ends before it is."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._jobs, self._context, initializer=_begin, initargs=self._arguments
            )
        with _without_interrupts(), safe_path_for_children():
            try:
                return self._pool.submit(self._work, piece)
            except BrokenProcessPool as error:
                refused: Future[R] = Future()
                refused.set_exception(error)
                return refused

    def renew(self) -> None:
        """Go on with new processes, where one has died; call when nothing is being done."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def stop(self) -> None:
        """Tell them to stop."""
        self._stop.set()

    def close(self, grace_seconds: float) -> None:
        """End the processes.

        Those that still work then are killed, and with them all that were begun since this object
        was made.

        Args:
            grace_seconds: how long they have.
        """
        self.stop()
        if self._pool is None:
            return
        # Whoever has not stopped by then is in a strategy that does not come back.
        timer = threading.Timer(grace_seconds, self._kill)
        timer.start()
        try:
            self._pool.shutdown(cancel_futures=True)
        except BaseException:  # a second Ctrl-C
            self._kill()
            raise
        finally:
            timer.cancel()

    def _kill(self) -> None:
        for process in set(multiprocessing.active_children()) - self._others:
            process.kill()


@contextlib.contextmanager
def _without_interrupts() -> Generator[None]:
    """Ctrl-C reaches all processes of a terminal: those begun in here never hear of it.

    They have the mask of signals from us; what comes meanwhile is kept until the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(
    folder: Path | None, stop: Event, prepare: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """In a new process."""
    when_parent_ends(partial(_end, folder))
    prepare(stop.is_set, *arguments)


def _end(folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
