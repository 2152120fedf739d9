"""Shows the steps and the counts of the demo: live on a terminal, else as lines of columns."""

import time
from decimal import Decimal
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.spinner import Spinner
from rich.table import Table

from algo_panda.demo.tally import Tally

_LINE_EVERY_SECONDS = 1.0
_COLUMNS = ("published", "processed", "signals", "orders", "fills", "profit (paper)")
_WIDTHS = (9, 9, 8, 8, 8, 15)


class DemoView:
    """Shows progress from its first second to the end of the block.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._spinner = Spinner("dots")
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            console=console,
        )
        self._published = self._progress.add_task("published")
        self._processed = self._progress.add_task("processed")
        self._next_line = 0.0
        self._has_header = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def step(self, text: str) -> None:
        """Show what the demo does now."""
        if self._console.is_terminal:
            self._spinner.update(text=text)
            self._live.update(self._spinner)
        else:
            self._print(text)

    def show(self, tally: Tally, expected_ticks: int) -> None:
        """Show the counts; call it as often as you like."""
        if self._console.is_terminal:
            self._progress.update(
                self._published, completed=tally.ticks_published, total=expected_ticks
            )
            self._progress.update(
                self._processed, completed=tally.ticks_processed, total=expected_ticks
            )
            self._live.update(self._counts(tally))
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_EVERY_SECONDS
            if not self._has_header:
                self._has_header = True
                self._print(_row(_COLUMNS))
            self._print(_row(_values(tally)))

    def _counts(self, tally: Tally) -> RenderableType:
        return Group(self._progress, summary_line(tally), summary_table(tally))

    def _print(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        self._console.print(f"{seconds:6.1f} s  {text}", markup=False)


def summary_table(tally: Tally) -> Table:
    """Build the table of signals and profit by strategy."""
    table = Table()
    table.add_column("strategy")
    table.add_column("signals", justify="right")
    table.add_column("profit (paper)", justify="right")
    profit = tally.profit()
    for name in sorted({*tally.signals, *profit}):
        value = profit.get(name)
        table.add_row(
            name, f"{tally.signals.get(name, 0):,}", "-" if value is None else f"{value:,.2f}"
        )
    return table


def summary_line(tally: Tally) -> str:
    """Return the counts that are not by strategy."""
    return (
        f"orders {tally.orders:,}   fills {tally.fills:,}   rejections {tally.rejections:,}"
        f"   dead letters {tally.dead_letters:,}"
    )


def _values(tally: Tally) -> tuple[str, ...]:
    counts = (
        tally.ticks_published,
        tally.ticks_processed,
        sum(tally.signals.values()),
        tally.orders,
        tally.fills,
    )
    profit = tally.profit()
    return (
        *(f"{count:,}" for count in counts),
        f"{sum(profit.values(), Decimal(0)):,.2f}" if profit else "-",
    )


def _row(cells: tuple[str, ...]) -> str:
    return " ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
