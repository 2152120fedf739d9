"""What a worker has set up in its process, and what users' code must not change for others.

Logging, standard streams and the working directory belong to the whole process. A strategy, or a
library that it imports, may change them: then they are set again, and one warning says so.
"""

import io
import logging
import os
import socket
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Protocol, TextIO

from algo_panda.supervised_thread import SupervisedThread

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_WORKERS_LOGGERS: Final = (
    "algo_panda",
    "faust",
    "mode",
    "aiokafka",
    "alembic",
    "asyncio",
)
"""These and their children are set as the worker set them; others are users' own."""


class Kept(Protocol):
    """One thing that is set again if it was changed."""

    def restore(self) -> Sequence[str]:
        """Set it again, and return what was changed, in words."""
        ...


class KeptLog:
    """The root logger's handler, and whether loggers of the worker are enabled."""

    def __init__(self, handler: logging.Handler) -> None:
        """Remember logging as it is, with ``handler``, which writes the worker's log."""
        root = logging.getLogger()
        self._size = -1
        self._names: Sequence[str] = ()
        self._handler = handler
        self._formatter = handler.formatter
        self._filters = {one.name: list(one.filters) for one in self._loggers()}
        self._handler_filters = list(handler.filters)
        self._root_level = root.level
        self._levels = {one.name: (one.level, one.propagate) for one in self._loggers()}

    def restore(self) -> Sequence[str]:
        """Set it again, and return what was changed, in words."""
        return [*self._restore_root(), *self._restore_handler(), *self._restore_loggers()]

    def _restore_root(self) -> Iterator[str]:
        root = logging.getLogger()
        if logging.root.manager.disable > logging.NOTSET:
            logging.disable(logging.NOTSET)
            yield "logging.disable() was called"
        if self._handler not in root.handlers:
            root.addHandler(self._handler)
            yield "the worker's handler was removed from the root logger"
        if root.level != self._root_level:
            root.setLevel(self._root_level)
            yield "the level of the root logger was changed"

    def _restore_handler(self) -> Iterator[str]:
        handler = self._handler
        if (
            handler.level != logging.NOTSET
            or handler.formatter is not self._formatter
            or handler.filters != self._handler_filters
        ):
            handler.setLevel(logging.NOTSET)
            handler.setFormatter(self._formatter)
            handler.filters = list(self._handler_filters)
            yield "level, format or filters of the worker's handler were changed"

    def _restore_loggers(self) -> Iterator[str]:
        is_changed = is_disabled = False
        for one in self._loggers():
            if one.disabled:
                one.disabled = False
                is_disabled = True
            level, propagate = self._levels.get(one.name, (logging.NOTSET, True))
            if one.level != level or one.propagate != propagate:
                one.setLevel(level)
                one.propagate = propagate
                is_changed = True
            wanted = self._filters.get(one.name, [])
            if one.filters != wanted:
                one.filters = list(wanted)
                is_changed = True
        if is_disabled:
            yield "loggers were disabled, as logging.config.dictConfig() does by default"
        if is_changed:
            yield "levels or filters of the worker's loggers were changed"

    def _loggers(self) -> Sequence[logging.Logger]:
        known = logging.root.manager.loggerDict
        if len(known) != self._size:
            self._size = len(known)
            self._names = [
                name for name in list(known) if name.partition(".")[0] in _WORKERS_LOGGERS
            ]
        found = map(known.get, self._names)  # placeholders become loggers
        return [one for one in found if isinstance(one, logging.Logger)]


class _LastingStream(io.TextIOWrapper):
    """A text stream that ``close`` leaves open."""

    def close(self) -> None:
        """Write what is buffered."""
        with suppress(ValueError, OSError):
            self.flush()


def lasting_stream(stream: TextIO) -> TextIO:
    """Return a stream to where ``stream`` goes now, which lasts until the process ends.

    Where ``stream`` is no file, or there is none, it is returned itself.
    """
    try:
        number = os.dup(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return stream
    return _LastingStream(
        open(number, "wb", closefd=False),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


class KeptStreams:
    """Standard output and standard error: who writes there when they are closed, fails."""

    _NAMES = ("stdout", "stderr")

    def __init__(self) -> None:
        """Put streams in their place that last."""
        self._before: dict[str, TextIO] = {name: getattr(sys, name) for name in self._NAMES}
        self._lasting = {name: lasting_stream(one) for name, one in self._before.items()}
        for name, one in self._lasting.items():
            setattr(sys, name, one)

    def restore(self) -> Sequence[str]:
        """Set them again, and return what was changed, in words."""
        changed: list[str] = []
        for name, lasting in self._lasting.items():
            current: TextIO | None = getattr(sys, name)
            if current is not lasting and (current is None or _is_closed(current)):
                setattr(sys, name, lasting)
                changed.append(f"sys.{name} was replaced with a stream that is closed")
        return changed

    def release(self) -> None:
        """Put back the streams of before."""
        for name, lasting in self._lasting.items():
            if getattr(sys, name) is lasting:
                setattr(sys, name, self._before[name])


def _is_closed(stream: object) -> bool:
    return getattr(stream, "closed", False) is True


class KeptFolder:
    """The working directory: relative paths, such as those of models, begin there."""

    def __init__(self) -> None:
        """Remember it, if there is one."""
        self._folder = _working_directory()

    def restore(self) -> Sequence[str]:
        """Set it again, and return what was changed, in words."""
        current = _working_directory()
        if self._folder is None or current == self._folder:
            return ()
        try:
            os.chdir(self._folder)
        except OSError:  # it was removed, which changes nothing for the worker
            return ()
        return (f"the working directory was changed to {current}",)


class KeptDefaults:
    """Defaults of the interpreter that decide whether code of others works."""

    def __init__(self) -> None:
        """Remember them."""
        self._timeout = socket.getdefaulttimeout()
        self._recursion = sys.getrecursionlimit()

    def restore(self) -> Sequence[str]:
        """Set them again, and return what was changed, in words."""
        changed: list[str] = []
        if socket.getdefaulttimeout() != self._timeout:
            socket.setdefaulttimeout(self._timeout)
            changed.append("socket.setdefaulttimeout() was called")
        if sys.getrecursionlimit() < self._recursion:  # a higher one harms nobody
            sys.setrecursionlimit(self._recursion)
            changed.append("sys.setrecursionlimit() was called")
        return changed


class ProcessKeeper:
    """Sets again whatever of ``kept`` was changed. From any thread."""

    def __init__(self, kept: Sequence[Kept]) -> None:
        self._kept = tuple(kept)
        self._lock = threading.Lock()
        self._reported: set[str] = set()

    def restore(self) -> None:
        """Look at once; warn of each kind of change once."""
        with self._lock:
            changes = [change for one in self._kept for change in one.restore()]
            new = [change for change in changes if change not in self._reported]
            self._reported.update(new)
        if new:
            logger.warning(
                "a strategy, or a library that it uses, changed what belongs to the whole process:"
                " %s. It was set again, and is from now on without another warning; remove this"
                " from the strategy",
                "; ".join(new),
            )

    @contextmanager
    def watching(self) -> Generator[None]:
        """Look once a second, from a thread, until the end of the block."""
        thread = SupervisedThread("process keeper", self._step)
        thread.start()
        try:
            yield
        finally:
            thread.stop(_LOOK_SECONDS)

    def _step(self, ending: threading.Event) -> None:
        if not ending.wait(_LOOK_SECONDS):
            self.restore()


class _Current:
    """That of this process, of which there is one log."""

    keeper: ProcessKeeper | None = None


def restore_process() -> None:
    """Set again at once what users' code may just have changed; nothing if nobody keeps it."""
    keeper = _Current.keeper
    if keeper is not None:
        keeper.restore()


@contextmanager
def keeping_process(handler: logging.Handler) -> Generator[None]:
    """Keep the process as it is until the end of the block.

    Args:
        handler: writes the worker's log.
    """
    streams = KeptStreams()
    keeper = ProcessKeeper((KeptDefaults(), streams, KeptLog(handler), KeptFolder()))
    _Current.keeper = keeper
    try:
        with keeper.watching():
            yield
    finally:
        _Current.keeper = None
        streams.release()


def _working_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - as text, once a second
    except OSError:  # it was removed
        return None
