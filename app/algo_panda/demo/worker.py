"""A worker process of the demo.

Its process is forked from one that has imported this module, and with it all programs: four
interpreters that import the same would take several seconds of the processor each.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from algo_panda.bootstrap.workers import load_program, run_program
from algo_panda.children import when_parent_ends
from algo_panda.demo.workers import PROGRAMS
from algo_panda.domain.errors import PandaError
from algo_panda.settings import load_settings

_PATIENCE_SECONDS = 10.0

for _program in PROGRAMS:
    load_program(_program)


def run(program: str, variables: Mapping[str, str], log_file: Path) -> None:
    """Run a worker program in this process, until it is told to stop or the demo has ended.

    Args:
        program: one of ``workers.PROGRAMS``.
        variables: environment variables with its settings.
        log_file: where its standard output and standard error go.
    """
    os.setsid()  # Ctrl-C in the terminal is for the demo, which stops its workers
    with log_file.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.update(variables)
    when_parent_ends(_end)
    try:
        asyncio.run(run_program(program, load_settings(), instance_id=None))
    except PandaError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def _end() -> None:
    """Stop the worker, in time."""
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_PATIENCE_SECONDS)
    os._exit(1)
