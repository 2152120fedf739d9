"""How far a command is: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PLAIN_SECONDS = 5.0
"""Between two lines where there is no terminal."""
_SECONDS = 0.1
"""Between two looks of a bar at how far it is."""

Advance = Callable[[int], None]
"""Told how many there are so far."""


@contextmanager
def counting(
    console: Console,
    noun: str,
    total: int | None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Advance]:
    """Show a count as it rises, its rate, and where ``total`` is known the time left.

    Args:
        console: where to.
        noun: what is counted.
        total: where it ends; None: nobody knows.
        clock: seconds of a monotonic clock.
    """
    started = clock()

    def text(count: int) -> str:
        seconds = clock() - started
        rate = count / seconds if seconds > 0 else 0.0
        return f"{count:,} {noun}, {rate:,.{0 if rate >= 10 else 1}f} a second"

    if not console.is_terminal:
        yield _seldom(_PLAIN_SECONDS, clock, lambda count: console.print(text(count)))
        return
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        *(() if total is None else (TextColumn("left"), TimeRemainingColumn())),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(noun, total=total)
        yield _seldom(
            _SECONDS,
            clock,
            lambda count: progress.update(task, completed=count, description=text(count)),
        )


def _seldom(seconds: float, clock: Callable[[], float], show: Advance) -> Advance:
    due = clock() + seconds

    def advance(count: int) -> None:
        nonlocal due
        now = clock()
        if now >= due:
            due = now + seconds
            show(count)

    return advance
