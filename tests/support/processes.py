"""Processes of a session, and waiting for what becomes of them."""

import os
import time
from collections.abc import Callable

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
