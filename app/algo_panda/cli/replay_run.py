"""One run of ``panda replay``: made, shown, written down."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from algo_panda.cli.progress import counting
from algo_panda.cli.stopping import stop_on_signals
from algo_panda.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from algo_panda.domain.config import StrategyConfig
    from algo_panda.replay.ticks import RecordedTicks

_PLAIN_WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run, and what to leave behind."""

    capital: Decimal
    zone: tzinfo
    """Whose days count."""
    speed: float | None
    """1.0: as fast as the ticks once came; None: as fast as it goes."""
    output: Path | None
    """A folder for everything."""
    report_file: Path | None
    """For the page alone."""
    to_topics: str | None
    """What the names of topics for what is said begin with."""
    as_json: bool
    jobs: int = 1
    """How many processes run strategies; 1: this one does."""


def run_once(
    settings: Settings,
    ticks: "RecordedTicks",
    configs: "Sequence[StrategyConfig]",
    options: RunOptions,
    notices: Console,
) -> None:
    """Replay ``ticks`` through ``configs``.

    Raises:
        PandaError: ticks, strategies or files cannot be used.
        typer.Exit: a signal ended it.
    """
    from algo_panda.bootstrap.paper import described
    from algo_panda.bootstrap.replay import topics_of_run, wired_replay
    from algo_panda.cli.replay_pages import Pages
    from algo_panda.cli.replay_view import ReplayReport
    from algo_panda.replay.output import open_output
    from algo_panda.replay.portfolio import Portfolio
    from algo_panda.replay.results import results_of
    from algo_panda.replay.tally import Tally
    from algo_panda.runner.collector import collect_seldom

    output = options.output
    tally, portfolio = Tally(), Portfolio(capital=options.capital, zone=options.zone)
    pages = Pages.wanted(options.report_file, output, configs)
    collect_seldom()
    with ExitStack() as stack:
        files = [] if output is None else [stack.enter_context(open_output(output))]
        name = options.to_topics
        topics = [] if name is None else [stack.enter_context(topics_of_run(settings, name))]
        wired = stack.enter_context(
            wired_replay(
                settings,
                ticks,
                configs,
                [tally, portfolio, *pages.listeners, *files, *topics],
                speed=options.speed,
                jobs=options.jobs,
            )
        )
        for status in wired.observer.stopped:
            notices.print(f"strategy {status.strategy_id} does not run: {status.reason}")
        show = stack.enter_context(counting(notices, "ticks", ticks.count))
        received = stack.enter_context(stop_on_signals(lambda: None))
        result = wired.replay.run(stopped=lambda: bool(received), on_progress=show)
    report = ReplayReport(
        source=ticks.name,
        configs=wired.configs,
        result=result,
        tally=tally,
        results=results_of(portfolio),
        seen=wired.observer,
        paper=described(settings),
        settings=wired.deciding,
    )
    if output is not None:
        (output / "report.json").write_text(json.dumps(report.as_object(), indent=2) + "\n")
    if options.as_json:
        typer.echo(json.dumps(report.as_object()))
    else:
        console = Console(highlight=False, markup=False)
        console.width = console.width if console.is_terminal else max(console.width, _PLAIN_WIDTH)
        report.show(console)
    pages.write(report)
    if received:
        raise typer.Exit(128 + received[0])
