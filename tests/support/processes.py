"""Processes of a session, and waiting for what becomes of them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


def in_session(leader: int) -> list[psutil.Process]:
    """What runs in the session that ``leader`` began, but zombies."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


@contextmanager
def replaying(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """``panda replay --json`` in ``folder``, in a session of its own of which nothing is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "algo_panda", "replay", *arguments, "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for one in in_session(process.pid):
            one.kill()
        process.kill()
        process.communicate()
