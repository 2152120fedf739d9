"""Work done by a number of processes, where one that dies takes only its own piece with it."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from algo_panda.replay.processes import GRACE_SECONDS, LOOK_SECONDS, Processes, WorkersError

_MOST_DEATHS = 3
"""Of processes, one behind another and before anything was done: they cannot work at all."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """The process that did a piece of work ended before it was done, when alone, too."""


class Workers(Generic[T, R]):
    """Some processes, from entering the context to leaving it; arguments as ``Processes``."""

    def __init__(
        self,
        work: Callable[[T], R],
        *,
        prepare: Callable[..., None],
        arguments: tuple[Any, ...],
        jobs: int,
        folder: Path,
    ) -> None:
        self._jobs = jobs
        self._processes = Processes(
            work, prepare=prepare, arguments=arguments, jobs=jobs, folder=folder
        )
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
        self._processes.close(GRACE_SECONDS if kind is None else 0)

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
                flying[self._processes.submit(piece)] = piece
            done, _ = wait(flying, LOOK_SECONDS, FIRST_COMPLETED)
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

    def _renew_after(self, lost: Sequence[T]) -> None:
        if lost:
            self._processes.renew()

    def _note_death(self) -> None:
        self._deaths += 1
        if not self._has_worked and self._deaths >= _MOST_DEATHS:
            raise WorkersError(
                "worker processes end before they have done anything: killed for want of memory, "
                "or unable to start; what they said is above"
            )
