"""Ctrl-C and SIGTERM, for commands that have something to finish."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Generator[list[int]]:
    """Let Ctrl-C and SIGTERM call ``stop``; a second one does what it always did.

    Yields:
        The signals received, filled as they come.
    """
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        stop()
        restore()

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield received
    finally:
        restore()
