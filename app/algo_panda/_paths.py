"""Keeps the working directory from hiding the standard library or an installed package.

Python puts the working directory, or the folder of the script, first on ``sys.path``. A file
``queue.py`` or ``types.py`` there then replaces the module of the standard library that our own
dependencies import. This module is imported first, so it imports built-in modules only.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


def has_local_folder_first() -> bool:
    """Return whether ``sys.path`` lists a local folder before one that is not."""
    return sys.path != _demoted()


def remove_local_folders() -> None:
    """Remove the working directory from ``sys.path``, for this whole process.

    For programs of ours, which search users' modules in ``PANDA_STRATEGIES_PATH``. A user's own
    script keeps its path: see ``TrustedImports``.
    """
    local = _local_folders()
    sys.path[:] = [entry for entry in sys.path if not _is_local(entry, local)]


def _demoted() -> list[str]:
    local = _local_folders()
    path = [entry for entry in sys.path if not _is_local(entry, local)]
    return [*path, *(entry for entry in sys.path if _is_local(entry, local))]


def _is_local(entry: object, local: frozenset[str]) -> bool:
    if not isinstance(entry, str):  # Python ignores such entries
        return False
    import os

    return entry in ("", ".") or os.path.realpath(entry) in local


def _local_folders() -> frozenset[str]:
    """Return the working directory, and the folder that Python put first for a script."""
    import os  # loaded before any program starts

    folders: set[str] = set()
    try:  # noqa: SIM105 - contextlib is not loaded before any program starts
        folders.add(os.path.realpath(os.getcwd()))  # noqa: PTH109 - a pathlib.py could be there
    except OSError:
        pass  # the working directory was removed
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is not None and not sys.flags.safe_path:
        folders.add(os.path.dirname(os.path.realpath(script)))  # noqa: PTH120
    # The standard library and the folder of this package are trusted, wherever one works.
    trusted = {os.path.dirname(os.path.dirname(os.path.realpath(__file__)))}  # noqa: PTH120
    trusted.add(os.path.dirname(os.path.realpath(os.__file__)))  # noqa: PTH120
    return frozenset(folders - trusted)


class TrustedImports:
    """A block whose imports find the working directory and the script's folder last.

    ``sys.path`` is as before at the end of the block.
    """

    def __init__(self) -> None:
        self._before: list[str] = []
        self._during: list[str] = []

    def __enter__(self) -> None:
        self._before = sys.path[:]
        sys.path[:] = _demoted()
        self._during = sys.path[:]

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        if sys.path == self._during:
            sys.path[:] = self._before
            return
        added = [entry for entry in sys.path if entry not in self._during]
        sys.path[:] = [*self._before, *added]
