"""Work done by a number of processes, one piece in each at a time.

Processes are spawned, not forked: a fork would copy the locks of the threads that Kafka's and
Arrow's libraries have. A process that dies takes only its own piece of work with it. None is left
behind, even where this one is killed.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from app.domain.errors import PandaError

_LOOK_SECONDS = 0.1
"""Longest wait without a look at whether to stop."""
_GRACE_SECONDS = 2.0
"""How long processes have to see that they are to stop."""
_MOST_DEATHS = 3
"""Of processes, one behind another and before anything was done: they cannot work at all."""

T = TypeVar("T")
R = TypeVar("R")


class WorkersError(PandaError):
    """The processes cannot work; the message says what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """The process that did a piece of work ended before it was done, when alone, too."""


class Workers(Generic[T, R]):
    """Some processes, from entering the context to leaving it.

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
        folder: Path,
    ) -> None:
        self._work = work
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")
        self._stop: Event = self._context.Event()
        self._arguments = (folder, self._stop, prepare, arguments)
        self._others = set(multiprocessing.active_children())
        self._pool: ProcessPoolExecutor | None = None
        self._has_worked = False
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """End the processes; those that work stop, or are killed."""
        if self._pool is None:
            return
        self._stop.set()
        # Whoever has not stopped by then is in a strategy that does not come back.
        timer = threading.Timer(_GRACE_SECONDS if kind is None else 0, self._kill)
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

    def run(
        self, pieces: Sequence[T], *, stopped: Callable[[], bool]
    ) -> Iterator[tuple[T, R | Died]]:
        """Do all ``pieces``; give each with its result, in the order in which they are done.

        Args:
            pieces: of work.
            stopped: asked now and then; True ends it, with what is done by then.

        Raises:
            WorkersError: the processes end before they do anything.
        """
        waiting = deque(pieces)
        while waiting and not stopped():
            suspects: list[T] = []
            yield from self._until_one_dies(waiting, suspects, self._jobs, stopped)
            self._renew_after(suspects)
            # Who brought the pool down is seen where each of them has one to itself.
            for suspect in suspects:
                again: list[T] = []
                yield from self._until_one_dies(deque([suspect]), again, 1, stopped)
                self._renew_after(again)
                if again and not stopped():
                    self._note_death()
                    yield suspect, Died()

    def _until_one_dies(
        self, waiting: deque[T], lost: list[T], most: int, stopped: Callable[[], bool]
    ) -> Iterator[tuple[T, R]]:
        """Take from ``waiting``; put into ``lost`` what was being done when a process died."""
        flying: dict[Future[R], T] = {}
        while (waiting or flying) and not stopped():
            while waiting and len(flying) < most and not lost:
                piece = waiting.popleft()
                flying[self._submit(piece)] = piece
            done, _ = wait(flying, _LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                piece = flying.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    lost.append(piece)
                else:
                    self._has_worked = True
                    yield piece, result
            if lost and not flying:
                return

    def _submit(self, piece: T) -> Future[R]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._jobs, self._context, initializer=_begin, initargs=self._arguments
            )
        with _without_interrupts():
            try:
                return self._pool.submit(self._work, piece)
            except BrokenProcessPool as error:
                refused: Future[R] = Future()
                refused.set_exception(error)
                return refused

    def _renew_after(self, lost: Sequence[T]) -> None:
        if lost and self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _note_death(self) -> None:
        self._deaths += 1
        if not self._has_worked and self._deaths >= _MOST_DEATHS:
            raise WorkersError(
                "worker processes end before they have done anything: killed for want of memory, "
                "or unable to start; what they said is above"
            )


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
    folder: Path, stop: Event, prepare: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """In a new process."""
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    prepare(stop.is_set, *arguments)


def _end_with_parent(folder: Path) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this process was spawned
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
