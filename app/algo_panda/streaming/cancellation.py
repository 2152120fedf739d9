"""Tells the cancellation of a task from what the code that it calls may raise."""

import asyncio


def is_cancellation(error: BaseException) -> bool:
    """Return whether ``error`` ends the present task from outside, and has to go on.

    A ``CancelledError`` while nobody asked for a cancellation is a failure like any other.
    """
    if isinstance(error, GeneratorExit):  # the coroutine is being closed
        return True
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
