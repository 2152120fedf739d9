"""The worker processes of the demo."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

from algo_panda.children import python_command
from algo_panda.domain.errors import PandaError
from algo_panda.kafka.guard import start_guard
from algo_panda.kafka.processes import ProcessIdentity

PROGRAMS = ("runner", "risk", "router", "paper")

_STOP_PATIENCE_SECONDS = 20.0
_TAIL_LINES = 8


class WorkerEndedError(PandaError):
    """A worker ended by itself; the message has the end of its log."""


class DemoWorkers:
    """One process of each program, each with its log in a file; they end with this process.

    They start at once, which takes a second or two of the processor, and run after ``begin``.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._variables = dict(variables)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._guards: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []

    def log_file(self, program: str) -> Path:
        """Return where a program's log goes."""
        return self._folder / f"{program}.log"

    def __enter__(self) -> Self:
        environment = {**os.environ, **self._variables}
        for program in PROGRAMS:
            log = self.log_file(program).open("wb")
            self._logs.append(log)
            self._processes[program] = subprocess.Popen(
                python_command("algo_panda.demo.waiting_worker", program),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            identity = ProcessIdentity.of(self._processes[program].pid)
            self._guards.append(start_guard(identity))
        return self

    def begin(self) -> None:
        """Let the workers run, because topics and database are ready."""
        self.check()
        for process in self._processes.values():
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.write(b"\n")
            process.stdin.close()

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_STOP_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for guard in self._guards:
            guard.communicate()
        for log in self._logs:
            log.close()

    def check(self) -> None:
        """Check that all run.

        Raises:
            WorkerEndedError: one ended.
        """
        for program, process in self._processes.items():
            code = process.poll()
            if code is not None:
                lines = self.log_file(program).read_text("utf-8", "replace").splitlines()
                tail = "\n  ".join(lines[-_TAIL_LINES:])
                raise WorkerEndedError(f"the {program} ended with exit code {code}:\n  {tail}")
