"""Child processes that run Python: the working directory does not hide what they import."""

import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing import parent_process

_SAFE_PATH = "PYTHONSAFEPATH"


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter.

    With ``-P`` Python does not put the working directory first on ``sys.path``.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


@contextmanager
def safe_path_for_children() -> Generator[None]:
    """Give processes that ``multiprocessing`` starts in this block a safe path.

    Their command is ``python -c``, which would import ``types`` from the working directory.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def when_parent_ends(end: Callable[[], object]) -> None:
    """Call ``end`` in a thread when the process that started this one has ended.

    Args:
        end: ends this process, which ``multiprocessing`` has started.
    """
    parent = parent_process()
    assert parent is not None  # noqa: S101 - multiprocessing has started this process

    def wait() -> None:
        parent.join()
        end()

    threading.Thread(target=wait, name="end with the parent", daemon=True).start()
