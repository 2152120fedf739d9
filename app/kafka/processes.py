"""Names a process so that it is found again later, and ends it."""

from dataclasses import dataclass

import psutil

# The start time that the system reports is derived from the wall clock and moves a little when
# that is set. A pid that went to another process within this span of a start is not to be feared.
_START_TIME_TOLERANCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process id and when that process started, in seconds since the epoch.

    The pid alone is not enough: after the process has ended, another may be given it.
    """

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """Name the process that has ``pid`` now.

        Raises:
            ProcessLookupError: there is none.
        """
        try:
            return cls(pid=pid, started_at=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess as error:
            raise ProcessLookupError(f"no process {pid}") from error


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether that very process still runs; a zombie does not."""
    return _find(identity) is not None


def end_process(identity: ProcessIdentity, *, patience_seconds: float) -> bool:
    """Ask the process to end (SIGTERM), and kill it when it has not after ``patience_seconds``.

    Returns:
        True where it ended by itself or was gone already, False where it had to be killed.
    """
    process = _find(identity)
    if process is None:
        return True
    try:
        process.terminate()
        process.wait(patience_seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(patience_seconds)
        return False
    return True


def _find(identity: ProcessIdentity) -> psutil.Process | None:
    try:
        process = psutil.Process(identity.pid)
        started_at = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    same = abs(started_at - identity.started_at) < _START_TIME_TOLERANCE_SECONDS
    return process if same else None
