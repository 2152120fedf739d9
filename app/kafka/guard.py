"""Ends a process when the one that started the guard is gone, however that ended.

``python -m app.kafka.guard PID STARTED_AT`` reads its standard input, the end of a pipe that the
starter holds, and never gets a byte. The system closes the pipe when the starter ends, be it by
SIGKILL, and the guard then ends the process if it still runs.
"""

import sys

from app.kafka.processes import ProcessIdentity, end_process

_PATIENCE_SECONDS = 10.0


def main() -> None:
    """Wait for the end of standard input, then end the process that the arguments name."""
    pid, started_at = sys.argv[1:]
    sys.stdin.buffer.read()
    guarded = ProcessIdentity(pid=int(pid), started_at=float(started_at))
    end_process(guarded, patience_seconds=_PATIENCE_SECONDS)


if __name__ == "__main__":
    main()
