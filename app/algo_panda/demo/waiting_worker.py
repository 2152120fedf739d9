"""A worker of the demo: it imports what it needs, then waits until the broker is ready.

``python -m algo_panda.demo.waiting_worker PROGRAM`` waits for a line on its standard input. If
there is none, the demo has ended, and so does this process.
"""

import asyncio
import sys

from algo_panda.bootstrap.workers import load_program, run_program
from algo_panda.domain.errors import PandaError
from algo_panda.settings import load_settings


def main() -> None:
    """Run a worker program when a line arrives."""
    program = sys.argv[1]
    load_program(program)
    if not sys.stdin.readline():
        return
    try:
        asyncio.run(run_program(program, load_settings(), instance_id=None))
    except PandaError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
