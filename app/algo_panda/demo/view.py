"""Shows a tally: a live display on a terminal, plain lines elsewhere."""

from collections import deque
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from algo_panda.demo.tally import Tally
from algo_panda.domain.money import plain

_PLAIN_EVERY_SECONDS = 1.0
_RATE_SECONDS = 3.0


class DemoView:
    """Call ``show`` as often as you like."""

    def __init__(self, console: Console, expected_ticks: int | None) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>10} ticks/s"),
            console=console,
        )
        self._published = self._progress.add_task("published", total=expected_ticks, rate="-")
        self._processed = self._progress.add_task("processed", total=expected_ticks, rate="-")
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._last_plain = -_PLAIN_EVERY_SECONDS
        self._processing = _Rate()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, tally: Tally, seconds: float, publishing_seconds: float) -> None:
        """Show how things stand after so many seconds."""
        if self._console.is_terminal:
            published = _rate(tally.ticks_published, publishing_seconds)
            self._progress.update(self._published, completed=tally.ticks_published, rate=published)
            self._progress.update(
                self._processed,
                completed=tally.ticks_processed,
                rate=self._processing.at(seconds, tally.ticks_processed),
            )
            self._live.update(Group(self._progress, summary_table(tally)))
        elif seconds - self._last_plain >= _PLAIN_EVERY_SECONDS:
            self._last_plain = seconds
            rate = self._processing.at(seconds, tally.ticks_processed)
            self._console.print(_line(tally, seconds, rate))


def summary_table(tally: Tally) -> Table:
    """Signals and profit by strategy, with what became of them."""
    table = Table(
        title=f"orders {tally.orders:,}   fills {tally.fills:,}   rejections "
        f"{tally.rejections:,}   dead letters {tally.dead_letters:,}"
    )
    table.add_column("strategy")
    table.add_column("signals", justify="right")
    table.add_column("profit and loss (paper)", justify="right")
    profit = tally.profit()
    for name in sorted({*tally.signals, *profit}):
        value = profit.get(name)
        table.add_row(
            name, f"{tally.signals.get(name, 0):,}", "-" if value is None else plain(value)
        )
    return table


def _line(tally: Tally, seconds: float, rate: str) -> str:
    signals = "  ".join(f"{name} {count}" for name, count in sorted(tally.signals.items()))
    profit = "  ".join(f"{name} {plain(value)}" for name, value in tally.profit().items())
    return (
        f"{seconds:5.1f} s  ticks {tally.ticks_published} published"
        f" {tally.ticks_processed} processed ({rate}/s)"
        f"  signals: {signals or 'none yet'}  orders {tally.orders}  fills {tally.fills}"
        f"  P&L: {profit or '-'}"
    )


class _Rate:
    """Events a second over the last few seconds, as a checkpoint lets them be seen."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque([(0.0, 0)])

    def at(self, seconds: float, count: int) -> str:
        """The rate now."""
        if count != self._seen[-1][1]:
            self._seen.append((seconds, count))
        while len(self._seen) > 2 and self._seen[1][0] < seconds - _RATE_SECONDS:
            self._seen.popleft()
        before, first = self._seen[0]
        last, newest = self._seen[-1]
        return _rate(newest - first, last - before)


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}" if seconds > 0 else "-"
