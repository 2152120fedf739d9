"""Ends a process when the one that started the guard is gone, however that ended.

``python -m algo_panda.kafka.guard PID STARTED_AT`` reads its standard input, the end of a pipe
that the starter holds, and never gets a byte. The system closes the pipe when the starter ends, be
it by SIGKILL, and the guard then ends the process if it still runs.
"""

import subprocess
import sys

from algo_panda.children import python_command
from algo_panda.kafka.processes import ProcessIdentity, end_process

_PATIENCE_SECONDS = 10.0


def start_guard(identity: ProcessIdentity) -> subprocess.Popen[bytes]:
    """Let a guard watch over a process; it ends by itself once that has ended, and with us.

    Whoever starts it calls ``communicate`` on it at the end, which lets it go.
    """
    return subprocess.Popen(
        python_command("algo_panda.kafka.guard", str(identity.pid), str(identity.started_at)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def main() -> None:
    """Wait for the end of standard input, then end the process that the arguments name."""
    pid, started_at = sys.argv[1:]
    sys.stdin.buffer.read()
    guarded = ProcessIdentity(pid=int(pid), started_at=float(started_at))
    end_process(guarded, patience_seconds=_PATIENCE_SECONDS)


if __name__ == "__main__":
    main()
