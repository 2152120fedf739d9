"""``panda replay --sweep``: many runs on ticks that are read once."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from algo_panda.cli.mapping import read_once, temporary_folder
from algo_panda.cli.progress import counting
from algo_panda.cli.stopping import stop_on_signals
from algo_panda.cli.strategy_options import hint_of_choice, parameters_of, value_of
from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import Settings

if TYPE_CHECKING:
    from algo_panda.domain.config import StrategyConfig
    from algo_panda.replay.grid import Grid
    from algo_panda.replay.mapped import MappedTicks
    from algo_panda.replay.sweep import Plan
    from algo_panda.replay.ticks import RecordedTicks

DEFAULT_IN_SAMPLE = 0.7
_PLAIN_WIDTH = 160

Stopped = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """The options of a sweep."""

    sweep: Sequence[str]
    set_: Sequence[str]
    jobs: int | None
    in_sample: float | None
    walk_forward: int | None
    rank_by: str | None
    capital: Decimal
    zone: tzinfo
    output: Path | None
    as_json: bool

    def check(self, *, speed: str) -> None:
        """Refuse what does not go together.

        Raises:
            ConfigurationError: it does not; the message names the options.
        """
        if not self.sweep:
            alone = {
                "--in-sample": self.in_sample,
                "--walk-forward": self.walk_forward,
                "--rank-by": self.rank_by,
            }
            for name, value in alone.items():
                if value is not None:
                    raise ConfigurationError(f"{name} is for sweeps: name values with --sweep")
        elif speed != "max":
            raise ConfigurationError("--speed is for single runs; a sweep is as fast as it goes")


def run_sweep(
    settings: Settings,
    source: "RecordedTicks",
    configs: "Sequence[StrategyConfig]",
    options: SweepOptions,
    notices: Console,
) -> None:
    """Make the runs, show what came of them, and write it down.

    Raises:
        ConfigurationError: an option cannot be used, or no combination of parameters can be run.
        PandaError: the ticks cannot be read.
        typer.Exit: a signal ended it.
    """
    from algo_panda.bootstrap.sweep import Experiment, refusals, run_plan
    from algo_panda.cli.sweep_view import show
    from algo_panda.replay.output import new_folder
    from algo_panda.replay.sweep_report import SweepReport

    started = time.monotonic()
    grid, parameters = _grid(options)
    rank_by = _metric(options.rank_by)
    refused = refusals(settings, configs, parameters, grid)
    if len(refused) == len(grid):
        raise ConfigurationError(
            f"no combination of --sweep can be run: {refused[1]}{hint_of_choice(configs)}"
        )
    if options.output is not None:
        new_folder(options.output)
    jobs = options.jobs or _cpus()
    with temporary_folder() as folder, stop_on_signals(lambda: None) as received:

        def stopped() -> bool:
            return bool(received)

        ticks, unusable = read_once(source, folder, stopped, notices)
        plan = _plan(options, grid, ticks, rank_by, is_cut_short=stopped())
        with counting(notices, f"of {plan.runs:,} runs", plan.runs) as show_progress:
            swept = run_plan(
                Experiment(
                    settings=settings,
                    ticks=ticks,
                    configs=configs,
                    parameters=parameters,
                    capital=options.capital,
                    zone=options.zone,
                ),
                plan,
                refused=refused,
                jobs=jobs,
                folder=folder,
                stopped=stopped,
                on_progress=show_progress,
            )
    if swept.is_complete and len(swept.failures) == len(swept.runs):
        raise ConfigurationError(f"all runs failed; the first: {swept.failures[0][1].reason}")
    report = SweepReport(
        source=source.name,
        ticks=ticks.count,
        unusable=unusable,
        configs=configs,
        parameters=parameters,
        grid=grid,
        in_sample=_in_sample(options),
        swept=swept,
    )
    if options.output is not None:
        report.write(options.output)
    seconds = time.monotonic() - started
    if options.as_json:
        took = {"jobs": jobs, "seconds": round(seconds, 3)}
        typer.echo(json.dumps({**report.as_object(), **took}))
    else:
        console = Console(highlight=False, markup=False)
        console.width = console.width if console.is_terminal else max(console.width, _PLAIN_WIDTH)
        show(report, console, jobs=jobs, seconds=seconds)
    if received:
        raise typer.Exit(128 + received[0])


def _grid(options: SweepOptions) -> "tuple[Grid, dict[str, Any]]":
    """The combinations, and what is set beside them."""
    from algo_panda.replay.grid import Axis, Grid

    def read(name: str, text: str) -> Any:  # noqa: ANN401 - JSON is of any type
        return value_of(name, text, "--sweep")

    grid = Grid(axes=tuple(Axis.parse(text, read) for text in options.sweep))
    parameters = parameters_of(None, list(options.set_), option="--set")
    for axis in grid.axes:
        if axis.name in parameters:
            raise ConfigurationError(f"{axis.name} is named by --set and by --sweep")
    return grid, parameters


def _metric(name: str | None) -> str:
    from algo_panda.replay.metrics import DEFAULT_METRIC, METRICS

    if name is not None and name not in METRICS:
        raise ConfigurationError(f"--rank-by {name}: choose one of {', '.join(METRICS)}")
    return name or DEFAULT_METRIC


def _in_sample(options: SweepOptions) -> float | None:
    share = options.in_sample
    if share is None:
        return None if options.walk_forward is None else DEFAULT_IN_SAMPLE
    if not 0 < share < 1:
        raise ConfigurationError(f"--in-sample {share:g}: write a share between 0 and 1, as 0.7")
    return share


def _plan(
    options: SweepOptions,
    grid: "Grid",
    ticks: "MappedTicks",
    rank_by: str,
    *,
    is_cut_short: bool,
) -> "Plan":
    from algo_panda.replay.sweep import Plan
    from algo_panda.replay.windows import rolling_windows

    share = _in_sample(options)
    count = 0 if share is None else options.walk_forward or 1
    return Plan(
        combinations=list(grid),
        window_count=count,
        windows=(
            ()
            if share is None or is_cut_short
            else rolling_windows(ticks, count=count, in_sample=Fraction(str(share)))
        ),
        is_walk_forward=options.walk_forward is not None,
        rank_by=rank_by,
    )


def _cpus() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system can say
        return os.cpu_count() or 1
