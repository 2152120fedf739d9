"""Rules for calling code of users: whatever it raises is its own failure, and nobody else's.

Strategies, validators and the libraries they use may raise any ``BaseException``: a library
written in Rust raises one that is no ``Exception`` when it panics. Each place that calls such code
has the form::

    try:
        answer = processor.process_tick(tick, history)
    except BaseException as error:
        if is_interrupt(error):
            raise
        ...  # count it, log it, go on
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_NAMELESS: Final = "class without a name"


class _State:
    """Of this process."""

    takes_signals = False
    """Whether a Ctrl-C never becomes a ``KeyboardInterrupt``."""


class EscapedError(RuntimeError):
    """Something that is no ordinary exception left code that must contain it: a defect."""

    def __init__(self, error: BaseException, where: str) -> None:
        """Describe it.

        Args:
            error: what was raised.
            where: the work that it ended.
        """
        super().__init__(f"{where}: {described_whole(error)}")


def is_interrupt(error: BaseException) -> bool:
    """Return whether ``error`` is the Ctrl-C of the person who runs the program.

    Python raises ``KeyboardInterrupt`` in the main thread, and only while its own handler of
    SIGINT is installed. A worker has another one, so there the code that was called raised it.
    """
    return (
        type(error) is KeyboardInterrupt
        and not _State.takes_signals
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


@contextmanager
def without_interrupts() -> Generator[None]:
    """Take no ``KeyboardInterrupt`` for a Ctrl-C until the end of the block.

    For a program that has a handler of SIGINT: users' code may have put Python's in its place.
    """
    before, _State.takes_signals = _State.takes_signals, True
    try:
        yield
    finally:
        _State.takes_signals = before


def is_ordinary(error: BaseException) -> bool:
    """Return whether event loops and pools pass ``error`` on as what it is.

    asyncio ends its loop on ``SystemExit`` and ``KeyboardInterrupt``, takes ``CancelledError`` for
    a cancellation, and loses ``StopIteration``.
    """
    return isinstance(error, Exception) and not isinstance(error, StopIteration)


def ordinary(error: BaseException, where: str) -> Exception:
    """Return ``error`` if it is ordinary, or else an ``EscapedError`` that has it as its cause."""
    if isinstance(error, Exception) and is_ordinary(error):
        return error
    escaped = EscapedError(error, where)
    escaped.__cause__ = error
    return escaped


def text_of(value: object) -> str:
    """Return ``str(value)`` as a plain string, whatever the class of ``value`` does instead."""
    try:
        return str.__str__(str(value))
    except BaseException as error:
        if is_interrupt(error):
            raise
        return f"(a {name_of(value)} whose text cannot be had)"


def name_of(value: object) -> str:
    """Return the name of the class of ``value``."""
    try:
        return str.__str__(type(value).__name__)
    except BaseException as error:
        if is_interrupt(error):
            raise
        return _NAMELESS


def described_whole(error: BaseException) -> str:
    """Return the kind of ``error`` and its text, of any length."""
    return f"{name_of(error)}: {text_of(error)}"
