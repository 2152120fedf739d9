"""Names a process so that it is found again later, and ends it."""

import time
from contextlib import suppress
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
    # psutil refuses to signal a process that is gone, even where its pid went to another.
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    if _ends_within(identity, patience_seconds):
        return True
    with suppress(psutil.NoSuchProcess):
        process.kill()
    _ends_within(identity, patience_seconds)
    return False


def _ends_within(identity: ProcessIdentity, seconds: float) -> bool:
    """Wait for the end of any process; a zombie that its parent has not noticed yet counts."""
    deadline = time.monotonic() + seconds
    while is_alive(identity):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
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
