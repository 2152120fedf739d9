"""Distinguishes the cancellation of a task from exceptions of the code that it calls."""

import asyncio


def is_cancellation(error: BaseException) -> bool:
    """Return whether ``error`` is a requested cancellation of the present task.

    Then it must be raised again. A ``CancelledError`` that nobody requested is a failure like any
    other.
    """
    if isinstance(error, GeneratorExit):  # the coroutine is being closed
        return True
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
