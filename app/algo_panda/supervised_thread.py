"""Threads that no error ends: it is logged, and the work is tried again."""

import logging
import threading
import time
from collections.abc import Callable

from algo_panda.domain.containment import name_of, text_of

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_QUIET_SECONDS = 60.0
"""After so long without an error, the next one is logged even if it was logged before."""

Step = Callable[[threading.Event], None]
"""Does one piece of a thread's work. It waits with the event, which is set to end the thread."""


def _nothing() -> None:
    """Do nothing."""


class SupervisedThread:
    """A daemon thread that repeats one step until it is stopped, whatever the step raises."""

    def __init__(
        self,
        name: str,
        step: Step,
        *,
        last: Callable[[], None] = _nothing,
        longest_pause: float = _LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe a thread; it does not run yet.

        Args:
            name: of the thread, and in messages.
            step: one piece of its work; a step that returns says that all is well.
            last: called once in the thread, after the last step.
            longest_pause: seconds from a failed step to the next one, at most. It begins with
                0.1 s and doubles with every failure in a row.
            clock: monotonic, in seconds.
        """
        self._name = name
        self._step = step
        self._last = last
        self._longest_pause = longest_pause
        self._clock = clock
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._failing: tuple[BaseException, float] | None = None
        """The last step's error, and since when steps fail."""
        self._failed_at = 0.0
        self._logged: set[str] = set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """End the thread after the step under way. Return whether it ended within ``timeout``.

        Args:
            timeout: seconds to wait for it; None: until it has ended.
        """
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """What the last step raised; None if it returned. From any thread."""
        failing = self._failing
        return None if failing is None else failing[0]

    @property
    def trouble(self) -> str | None:
        """Why the thread does not do its work, or None. From any thread."""
        failing = self._failing
        if failing is not None:
            error, since = failing
            seconds = self._clock() - since
            return f"the {self._name} thread fails for {seconds:.0f} s: {one_line(error)}"
        if self._thread.ident is not None and not (self.is_alive or self._ending.is_set()):
            return f"the {self._name} thread has ended"
        return None

    def _run(self) -> None:
        pause = min(_FIRST_PAUSE, self._longest_pause)
        while not self._ending.is_set():
            try:
                self._step(self._ending)
            except BaseException as error:  # noqa: BLE001 - the thread must go on, whatever it is
                self._fail(error)
                self._ending.wait(pause)
                pause = min(2 * pause, self._longest_pause)
            else:
                self._succeed()
                pause = min(_FIRST_PAUSE, self._longest_pause)
        try:
            self._last()
        except BaseException as error:  # noqa: BLE001 - nobody else would see it
            self._log(error, "its last step failed")

    def _fail(self, error: BaseException) -> None:
        self._failed_at = self._clock()
        since = self._failed_at if self._failing is None else self._failing[1]
        self._failing = error, since
        self._log(error, "trying again")

    def _succeed(self) -> None:
        self._failing = None
        if self._logged and self._clock() - self._failed_at > _QUIET_SECONDS:
            self._logged.clear()

    def _log(self, error: BaseException, consequence: str) -> None:
        """Log each distinct error once, with its traceback at level debug."""
        reason = one_line(error)
        if reason in self._logged:
            return
        self._logged.add(reason)
        logger.error("thread %s: %s; %s", self._name, reason, consequence)
        logger.debug("thread %s: traceback", self._name, exc_info=error)


def one_line(error: BaseException) -> str:
    """Return the class and the message of an error in one line."""
    message = " ".join(text_of(error).split())
    return f"{name_of(error)}: {message}" if message else name_of(error)
