"""What ``panda replay --sweep`` says at the end, to people."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table

from algo_panda.domain.timestamps import from_micros
from algo_panda.replay.metrics import METRICS, Value
from algo_panda.replay.sweep import Finished, Part, Run
from algo_panda.replay.sweep_report import SweepReport, cell, moment
from algo_panda.replay.windows import Window

_MOST_ROWS = 30
_MOST_FAILURES = 10

_OPTIMISTIC = (
    "The best of many in-sample is partly luck: expect what is out-of-sample, at most, of the "
    "next ticks."
)
_NO_SAMPLE = (
    "All runs were ranked on the ticks that they were made on: the first is partly luck, and will "
    "do worse on other ticks. --in-sample 0.7 or --walk-forward 5 shows by how much."
)


def show(report: SweepReport, console: Console, *, jobs: int, seconds: float) -> None:
    """Print what came of a sweep."""
    swept = report.swept
    made, planned = len(swept.runs), swept.plan.runs
    outcome = (
        "complete" if swept.is_complete else f"PARTIAL: stopped after {made:,} of {planned:,} runs"
    )
    console.print(
        f"{outcome}: {made:,} runs on {report.ticks:,} ticks from {report.source} "
        f"in {seconds:.1f} s ({jobs} at a time)",
        soft_wrap=True,
    )
    if swept.plan.is_walk_forward:
        console.print(_walk_forward(report))
        _print_totals(report, console)
    elif swept.plan.windows:
        (window,) = swept.plan.windows
        console.print(_periods(window), soft_wrap=True)
        console.print(_both_samples(report))
    else:
        console.print(_whole(report))
    _print_rest(report, console)
    if made > len(swept.failures):
        console.print(_OPTIMISTIC if swept.plan.windows else _NO_SAMPLE, soft_wrap=True)


def _whole(report: SweepReport) -> Table:
    metrics = _metrics(report)
    table = _table(report, "rank", *metrics, "fingerprint")
    for rank, (run, finished) in enumerate(_shown(report, Part.WHOLE), start=1):
        values = (_value(finished.metrics[name]) for name in metrics)
        table.add_row(
            f"{rank}", *_parameters(report, run), *values, finished.fingerprint.whole[:16]
        )
    _add_failures(report, table)
    return table


def _both_samples(report: SweepReport) -> Table:
    metric = report.swept.plan.rank_by
    table = _table(
        report,
        "rank in-sample",
        f"{metric} in-sample",
        f"{metric} out-of-sample",
        "rank out-of-sample",
        "fills in-sample",
        "fills out-of-sample",
    )
    later = {
        run.task.combination.number: (rank, finished)
        for rank, (run, finished) in enumerate(report.swept.ranked(Part.OUT_OF_SAMPLE), start=1)
    }
    for rank, (run, finished) in enumerate(_shown(report, Part.IN_SAMPLE), start=1):
        judged = later.get(run.task.combination.number)
        table.add_row(
            f"{rank}",
            *_parameters(report, run),
            _value(finished.metrics[metric]),
            "-" if judged is None else _value(judged[1].metrics[metric]),
            "-" if judged is None else f"{judged[0]}",
            _value(finished.metrics["fills"]),
            "-" if judged is None else _value(judged[1].metrics["fills"]),
        )
    _add_failures(report, table)
    return table


def _walk_forward(report: SweepReport) -> Table:
    swept, metric = report.swept, report.swept.plan.rank_by
    table = _table(
        report,
        "window",
        f"{metric} in-sample",
        f"{metric} out-of-sample",
        "fills out-of-sample",
        "out-of-sample from (UTC)",
        "to (UTC)",
    )
    for window in swept.plan.windows:
        span = window.out_of_sample
        period = (_short(span.from_us), _short(span.to_us))
        (judged, *_) = swept.ranked(Part.OUT_OF_SAMPLE, window.number) or (None,)
        if judged is None:
            nothing = ("-",) * (len(report.grid.axes) + 3)
            table.add_row(f"{window.number}", *nothing, *period)
            continue
        run, finished = judged
        chosen = swept.ranked(Part.IN_SAMPLE, window.number)[0][1]
        table.add_row(
            f"{window.number}",
            *_parameters(report, run),
            _value(chosen.metrics[metric]),
            _value(finished.metrics[metric]),
            _value(finished.metrics["fills"]),
            *period,
        )
    _add_failures(report, table)
    return table


def _print_totals(report: SweepReport, console: Console) -> None:
    swept = report.swept
    totals = [
        f"{name} {_value(swept.total(Part.OUT_OF_SAMPLE, name))}"
        for name in _metrics(report)
        if swept.total(Part.OUT_OF_SAMPLE, name) is not None
    ]
    if totals:
        chosen = _value(swept.total(Part.IN_SAMPLE, swept.plan.rank_by))
        console.print(
            f"out-of-sample, all windows together: {', '.join(totals)} "
            f"({swept.plan.rank_by} in-sample of the same: {chosen})",
            soft_wrap=True,
        )


def _print_rest(report: SweepReport, console: Console) -> None:
    part = Part.IN_SAMPLE if report.swept.plan.windows else Part.WHOLE
    more = len(report.swept.ranked(part)) - _MOST_ROWS
    if more > 0 and not report.swept.plan.is_walk_forward:
        console.print(f"and {more:,} more: --json or --output FOLDER has them all")
    if report.unusable:
        listed = ", ".join(f"{count:,} {what}" for what, count in sorted(report.unusable.items()))
        console.print(f"records that are no ticks: {listed}", soft_wrap=True)
    seen = [
        (run, problem)
        for run in report.swept.runs
        if isinstance(run.outcome, Finished)
        for problem in run.outcome.problems
    ]
    for run, problem in seen[:_MOST_FAILURES]:
        console.print(f"{_named(report, run)}: {problem}", soft_wrap=True)
    if len(seen) > _MOST_FAILURES:
        console.print(f"and {len(seen) - _MOST_FAILURES:,} more such", soft_wrap=True)


def _add_failures(report: SweepReport, table: Table) -> None:
    """Runs that failed, below the others, each combination once for a reason."""
    reasons = _reasons(report)
    empty = ("",) * (len(table.columns) - 2 - len(report.grid.axes))
    for reason, run in reasons[:_MOST_FAILURES]:
        table.add_row("-", *_parameters(report, run), *empty, reason)
    if len(reasons) > _MOST_FAILURES:
        nothing = ("",) * (len(table.columns) - 2)
        table.add_row("-", *nothing, f"and {len(reasons) - _MOST_FAILURES:,} more")


def _reasons(report: SweepReport) -> Sequence[tuple[str, Run]]:
    """Why runs failed; a combination that failed in each window is told once."""
    found = {
        (run.task.combination.number, failed.reason): run for run, failed in report.swept.failures
    }
    return [(reason, run) for (_, reason), run in found.items()]


def _shown(report: SweepReport, part: Part) -> Iterator[tuple[Run, Finished]]:
    yield from report.swept.ranked(part)[:_MOST_ROWS]


def _table(report: SweepReport, first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in (first, *(axis.name for axis in report.grid.axes), *others):
        table.add_column(name, justify="right")
    if report.swept.failures:
        table.add_column("failed", overflow="fold")
    return table


def _metrics(report: SweepReport) -> Sequence[str]:
    """Those that tables have, beginning with the one that was ranked by."""
    first = report.swept.plan.rank_by
    return [first, *(name for name in METRICS if name != first and METRICS[name].is_shown)]


def _parameters(report: SweepReport, run: Run) -> Iterator[str]:
    return (cell(run.task.combination.parameters[axis.name]) for axis in report.grid.axes)


def _named(report: SweepReport, run: Run) -> str:
    values = zip((axis.name for axis in report.grid.axes), _parameters(report, run), strict=True)
    return " ".join(f"{name}={value}" for name, value in values)


def _periods(window: Window) -> str:
    first, second = window.in_sample, window.out_of_sample
    return (
        f"in-sample {moment(first.from_us)} to {moment(first.to_us)}, "
        f"out-of-sample from there to {moment(second.to_us)}"
    )


def _short(micros: int) -> str:
    return f"{from_micros(micros):%Y-%m-%d %H:%M:%S}"


def _value(value: Value) -> str:
    match value:
        case None:
            return "-"
        case Decimal():
            return f"{value:,.2f}"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
