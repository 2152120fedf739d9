"""What ``panda publish`` shows while it runs, and what it says at the end."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from algo_panda.ingest.outcome import Counts
from algo_panda.ingest.source import BadRow

_PLAIN_SECONDS = 5.0
"""Between two lines where there is no terminal."""
_BAD_ROWS_SHOWN = 10

OnProgress = Callable[[Counts], None]


@contextmanager
def progress_view(console: Console, fraction: Callable[[Counts], float]) -> Generator[OnProgress]:
    """Show counts as they come: a bar on a terminal, a line now and then elsewhere.

    Args:
        console: where to.
        fraction: how far the run is at these counts, 0 to 1.
    """
    if not console.is_terminal:
        yield _plain_lines(console)
        return
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("connecting", total=1.0)

        def show(counts: Counts) -> None:
            progress.update(task, completed=fraction(counts), description=_counts_text(counts))

        yield show


def _plain_lines(console: Console) -> OnProgress:
    due = _PLAIN_SECONDS

    def show(counts: Counts) -> None:
        nonlocal due
        if counts.seconds >= due:
            due = counts.seconds + _PLAIN_SECONDS
            console.print(_counts_text(counts))

    return show


def _counts_text(counts: Counts) -> str:
    text = f"{counts.acknowledged:,} ticks, {counts.ticks_per_second:,.0f} a second"
    return f"{text}, {counts.rejected:,} bad rows" if counts.rejected else text


class BadRowNotices:
    """Shows the first bad rows; all of them are in the rejects file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen = 0

    def show(self, bad: BadRow) -> None:
        """Print ``bad``, if it is one of the first."""
        self._seen += 1
        if self._seen <= _BAD_ROWS_SHOWN:
            self._console.print(f"bad row: {bad}")
        elif self._seen == _BAD_ROWS_SHOWN + 1:
            self._console.print("more bad rows: see the rejects file")


def summary(topic: str, outcome: str, counts: Counts, rejects: str | None) -> str:
    """One line about a run: ``outcome`` is complete, interrupted or failed."""
    text = (
        f"{outcome}: {counts.acknowledged:,} ticks acknowledged on {topic} "
        f"in {counts.seconds:.1f} s ({counts.ticks_per_second:,.0f} a second)"
    )
    open_ones = counts.sent - counts.acknowledged - counts.failed
    if counts.failed:
        text += f"; {counts.failed:,} failed"
    if open_ones:
        text += f"; {open_ones:,} sent and not yet answered for"
    if counts.rejected:
        text += f"; {counts.rejected:,} bad rows in {rejects}"
    return text
