"""The worker processes of the demo."""

import multiprocessing
from collections.abc import Mapping
from importlib import import_module
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Self

from algo_panda.children import safe_path_for_children
from algo_panda.domain.errors import PandaError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

PROGRAMS = ("runner", "risk", "router", "paper")

_WORKER = "algo_panda.demo.worker"
"""Imported by the process that the workers are forked from, and not by this one."""
_STOP_PATIENCE_SECONDS = 20.0
_TAIL_LINES = 8


class WorkerEndedError(PandaError):
    """A worker ended by itself; the message has the end of its log."""


def _run(program: str, variables: Mapping[str, str], log_file: Path) -> None:
    import_module(_WORKER).run(program, variables, log_file)


class DemoWorkers:
    """One process of each program, each with its log in a file; they end with this process.

    What they import is imported at once, by the process that they are forked from. They run after
    ``begin``.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._variables = dict(variables)
        self._processes: dict[str, ForkServerProcess] = {}

    def log_file(self, program: str) -> Path:
        """Return where a program's log goes."""
        return self._folder / f"{program}.log"

    def __enter__(self) -> Self:
        multiprocessing.set_forkserver_preload([_WORKER])
        with safe_path_for_children():
            forkserver.ensure_running()
        return self

    def begin(self) -> None:
        """Let the workers run, because topics and database are ready."""
        context = multiprocessing.get_context("forkserver")
        for program in PROGRAMS:
            arguments = (program, self._variables, self.log_file(program))
            process = context.Process(target=_run, args=arguments, name=program)
            process.start()
            self._processes[program] = process

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.join(_STOP_PATIENCE_SECONDS)
            process.kill()
            process.join()

    def check(self) -> None:
        """Check that all run.

        Raises:
            WorkerEndedError: one ended.
        """
        for program, process in self._processes.items():
            if process.exitcode is not None:
                lines = self.log_file(program).read_text("utf-8", "replace").splitlines()
                tail = "\n  ".join(lines[-_TAIL_LINES:])
                raise WorkerEndedError(
                    f"the {program} ended with exit code {process.exitcode}:\n  {tail}"
                )
