"""A worker of the demo: it imports what it needs, then waits until the broker is ready.

``python -m algo_panda.demo.waiting_worker PROGRAM`` waits for a line on its standard input. It ends
without having run if there is none, because then the demo has ended.
"""

import sys

from algo_panda.bootstrap.workers import load_program
from algo_panda.cli.main import main
from algo_panda.cli.worker import app as _  # noqa: F401 - imported now, not when it is used


def wait_and_run(program: str) -> None:
    """Run a worker program when a line arrives."""
    load_program(program)
    if sys.stdin.readline():
        sys.argv = ["panda", "worker", program]
        main()


if __name__ == "__main__":
    wait_and_run(sys.argv[1])
