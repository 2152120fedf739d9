"""Tables that can be pasted into a document, and verdicts."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

Runs = list[dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A number that was measured beside the one that is asked for."""

    what: str
    measured: float
    wanted: float
    at_least: bool
    """Else at most."""
    unit: str = ""

    @property
    def met(self) -> bool:
        if self.at_least:
            return self.measured >= self.wanted
        return self.measured <= self.wanted


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    made = Table(title=title, box=box.MARKDOWN, title_justify="left")
    for number, name in enumerate(head):
        made.add_column(name, justify="right" if number else "left")
    for row in rows:
        made.add_row(*map(shown, row))
    return made


def targets_table(title: str, targets: Iterable[Target]) -> Table:
    rows = [
        (
            one.what,
            f"{shown(one.measured)}{one.unit}",
            f"{'at least' if one.at_least else 'at most'} {shown(one.wanted)}{one.unit}",
            "yes" if one.met else "NO",
        )
        for one in targets
    ]
    return table(title, ("what", "measured", "wanted", "met"), rows)


def median(runs: Runs, key: str) -> float:
    return statistics.median(run[key] for run in runs)


def lowest(runs: Runs, key: str) -> float:
    return min(run[key] for run in runs)


def highest(runs: Runs, key: str) -> float:
    return max(run[key] for run in runs)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in rising order."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        if abs(value) >= 100:
            return f"{value:,.0f}"
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
