"""A worker that stops or kills itself at a step of a checkpoint: ``PROGRAM [STEP NTH SIGNAL]``."""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from algo_panda.bootstrap.workers import run_program
from algo_panda.domain.errors import PandaError
from algo_panda.settings import load_settings


class Fault:
    """Signals its own process when a step is done for the n-th time."""

    def __init__(self, step: str, nth: int, number: signal.Signals) -> None:
        self._step = step
        self._left = nth
        self._number = number
        self._turn = threading.Lock()

    def __call__(self, step: str) -> None:
        if step != self._step:
            return
        with self._turn:
            self._left -= 1
            is_now = self._left == 0
        if is_now:
            sys.stderr.write(f"chaos: {self._number.name} at '{step}'\n")
            sys.stderr.flush()
            os.kill(os.getpid(), self._number)


def main() -> None:
    program, *fault = sys.argv[1:]
    probe = Fault(fault[0], int(fault[1]), signal.Signals[fault[2]]) if fault else lambda _: None
    try:
        asyncio.run(run_program(program, load_settings(), instance_id=None, probe=probe))
    except PandaError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
