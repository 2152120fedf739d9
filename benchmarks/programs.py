"""The peers as processes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.options import ROOT

_PATIENCE_SECONDS = 900.0
_TAIL = 1500


class ProgramFailedError(Exception):
    """A program ended without a result; the message has the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A peer, and how it is started."""

    name: str
    environment: str
    arguments: tuple[str, ...]
    variant: str = ""


RAW = Program(
    name="confluent-kafka loop", environment="raw", arguments=("-m", "benchmarks.peers.raw")
)
QUIX = Program(
    name="quixstreams", environment="quixstreams", arguments=("-m", "benchmarks.peers.quix")
)
QUIX_STATE = Program(
    name="quixstreams, its state",
    environment="quixstreams",
    arguments=("-m", "benchmarks.peers.quix"),
    variant="state",
)
BYTEWAX = Program(
    name="bytewax, whole batches",
    environment="bytewax",
    arguments=("-m", "bytewax.run", "benchmarks.peers.bytewax_flow:flow"),
)
FAUST = Program(
    name="Faust, event by event",
    environment="faust",
    arguments=("-m", "benchmarks.peers.faust_agent"),
)
NAUTILUS = Program(
    name="nautilus_trader, signals counted",
    environment="nautilus",
    arguments=("-m", "benchmarks.peers.nautilus_engine"),
)
NAUTILUS_ORDERS = Program(
    name="nautilus_trader, every signal traded",
    environment="nautilus",
    arguments=("-m", "benchmarks.peers.nautilus_engine"),
    variant="orders",
)
PROGRAMS = (RAW, QUIX, QUIX_STATE, BYTEWAX, FAUST)


class Child:
    """A process in a group of its own, which leaves its result as JSON."""

    def __init__(
        self, python: Path, arguments: tuple[str, ...], scratch: Path, variables: Mapping[str, str]
    ) -> None:
        role = arguments[-1].rpartition(".")[2].replace(":", "-")
        self._result = scratch / f"{role}-{time.monotonic_ns()}.json"
        self._log = self._result.with_suffix(".log")
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                [str(python), *arguments],
                env={
                    **os.environ,
                    **variables,
                    "PYTHONPATH": str(ROOT),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "BENCH_RESULT": str(self._result),
                    "BENCH_SCRATCH": str(scratch),
                },
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def result(self, patience: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for its end.

        Raises:
            ProgramFailedError: it failed, or takes too long.
        """
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired as error:
            self.end()
            raise ProgramFailedError(f"not done in {patience:.0f} s: {self.said()}") from error
        if code or not self._result.exists():
            raise ProgramFailedError(f"exit code {code}: {self.said()}")
        result: dict[str, Any] = json.loads(self._result.read_text())
        return result

    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")[-_TAIL:]

    def end(self) -> None:
        """Stop it, by force if need be."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.running:
                return
            os.killpg(self._process.pid, number)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                continue
