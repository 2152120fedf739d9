"""``panda replay``: recorded ticks through the live system."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from algo_panda.cli.bias import run_bias_check
from algo_panda.cli.compare import compare
from algo_panda.cli.replay_run import RunOptions, run_once
from algo_panda.cli.replay_selection import capital_of, selection_of
from algo_panda.cli.strategy_options import hint_of_choice, parameters_of
from algo_panda.cli.sweep import SweepOptions, run_sweep
from algo_panda.cli.tick_files import (
    ColumnOption,
    TimeFormatOption,
    TimezoneOption,
    open_tick_files,
    speed_of,
    zone_of,
)
from algo_panda.cli.verify import run_verification
from algo_panda.domain.errors import BadInputError, ConfigurationError
from algo_panda.ingest.times import TimeFormat
from algo_panda.settings import Settings, load_settings

if TYPE_CHECKING:
    from algo_panda.domain.config import StrategyConfig
    from algo_panda.ingest.source import BadRow
    from algo_panda.replay.selection import Selection
    from algo_panda.replay.ticks import RecordedTicks


class _RunByDefault(TyperGroup):
    """``panda replay ...`` is ``panda replay run ...``: that is what people mean."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - of a private class
        """Put the command in, where none is named."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else ["run", *args])


app = typer.Typer(
    cls=_RunByDefault, help="Run a backtest on recorded ticks (the command 'run' may be omitted)."
)
app.command()(compare)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@app.command(name="run")
def replay(
    source: Annotated[
        list[Path] | None,
        typer.Argument(
            help="A folder of 'panda record', or tick files. Default: the topic 'ticks'."
        ),
    ] = None,
    strategies: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Strategies in YAML. Default: those of the database."),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|TYPE",
            help="Only these: an id, the beginning of one, or a type; repeatable.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a parameter of each strategy; repeatable."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Only ticks from then on: a time, a day, or yesterday.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only ticks before that time, or up to the end of that day."
        ),
    ] = None,
    offsets: Annotated[
        list[str] | None,
        typer.Option(
            metavar="P:FIRST-END",
            help="Only these offsets of partition P, without END; repeatable.",
        ),
    ] = None,
    column: ColumnOption = None,
    time_format: TimeFormatOption = TimeFormat.ISO,
    timezone: TimezoneOption = None,
    speed: Annotated[
        str,
        typer.Option(metavar="FACTOR", help="max, or a multiple of the original speed: 1x, 10x."),
    ] = "max",
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="One run per value, such as 7..28:7 or 20,30; repeatable: all combinations.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of processes. They share the instruments of a single run (default: 1), or"
            " the runs of a sweep (default: number of CPUs).",
        ),
    ] = None,
    in_sample: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Rank by the first ticks, this share of them; show the rest as out-of-sample.",
        ),
    ] = None,
    walk_forward: Annotated[
        int | None,
        typer.Option(
            metavar="WINDOWS",
            min=1,
            help="Number of windows: in each, the best of the in-sample part runs on the rest.",
        ),
    ] = None,
    rank_by: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="Metric that ranks a sweep. Default: net_profit."),
    ] = None,
    verify_live: Annotated[
        bool,
        typer.Option(
            "--verify-live",
            help="Run the versions that were active live; compare with the topic 'signals'.",
        ),
    ] = False,
    check_bias: Annotated[
        bool,
        typer.Option(
            "--check-bias",
            help="Also run on parts of the ticks: find look-ahead bias, and signals that depend on"
            " where the ticks begin.",
        ),
    ] = False,
    capital: Annotated[
        str, typer.Option(metavar="AMOUNT", help="Initial equity, for the statistics.")
    ] = "1000000",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write signals, orders and executions (Parquet) and the reports to this folder.",
        ),
    ] = None,
    report_file: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write an HTML report to this file."),
    ] = None,
    to_topics: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Write signals, orders and so on to new topics NAME-signals, ..."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a backtest: strategies on recorded ticks, with the code that trades live.

    Runner, validators, risk, router and paper venue are those of the workers. Existing topics and
    the database are not changed. Ctrl-C ends the run; the report covers the ticks so far.

    'panda replay compare' shows two runs side by side.
    """
    from algo_panda.replay.selection import SelectedTicks

    settings = load_settings()
    equity, zone = capital_of(capital), zone_of(timezone) or UTC
    sweeping = SweepOptions(
        sweep=sweep or (),
        set_=set_ or (),
        jobs=jobs,
        in_sample=in_sample,
        walk_forward=walk_forward,
        rank_by=rank_by,
        capital=equity,
        zone=zone,
        output=output,
        as_json=as_json,
    )
    sweeping.check(speed=speed)
    files = {"--output": output, "--report": report_file, "--to-topics": to_topics}
    many = {"--sweep": sweep, "--jobs": jobs}
    selection = selection_of(from_, to, offsets or [], timezone)
    if verify_live:
        chosen = {"--strategies": strategies, "--strategy": strategy, "--set": set_}
        _refuse_options("--verify-live", {**chosen, **many, **files})
        ticks = _live_source(settings, source or [])
        run_verification(settings, ticks, selection, as_json=as_json, notices=_notices)
        return
    # What is set may only be right together with what is swept.
    configs = _strategies(settings, strategies, strategy or [], [] if sweep else set_ or [])
    ticks = _whole_source(settings, source or [], column or [], time_format, timezone, selection)
    if not selection.is_everything:
        ticks = SelectedTicks(ticks, selection)
    if check_bias:
        _refuse_options("--check-bias", {**many, **files})
        run_bias_check(settings, ticks, configs, as_json=as_json, notices=_notices)
        return
    if sweep:
        _refuse_options("--sweep", {**files, "--output": None})
        run_sweep(settings, ticks, configs, sweeping, _notices)
        return
    options = RunOptions(
        capital=equity,
        zone=zone,
        speed=None if speed == "max" else speed_of(speed),
        output=output,
        report_file=report_file,
        to_topics=to_topics,
        as_json=as_json,
        jobs=jobs or 1,
    )
    run_once(settings, ticks, configs, options, _notices)


def _strategies(
    settings: Settings, file: Path | None, ids: Sequence[str], assignments: Sequence[str]
) -> "Sequence[StrategyConfig]":
    from algo_panda.bootstrap.replay import (
        strategies_in_database,
        strategies_in_file,
        with_parameters,
    )

    found = strategies_in_database(settings) if file is None else strategies_in_file(settings, file)
    if ids:
        for wanted in ids:
            if not any(_is_meant(config, wanted) for config in found):
                known = ", ".join(f"{c.strategy_id[:8]} ({c.strategy_type})" for c in found)
                raise ConfigurationError(
                    f"--strategy {wanted}: no enabled strategy begins so or is of that type;"
                    f" there are {known or 'none'}"
                )
        found = [c for c in found if any(_is_meant(c, wanted) for wanted in ids)]
    if not found:
        where = "the database has no enabled strategy" if file is None else f"{file} enables none"
        raise ConfigurationError(
            f"{where}: name a file of them with --strategies, or see 'panda strategies seed'"
        )
    parameters = parameters_of(None, list(assignments), option="--set")
    try:
        return with_parameters(settings, found, parameters) if parameters else found
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}{hint_of_choice(found)}") from error


def _is_meant(config: "StrategyConfig", wanted: str) -> bool:
    return config.strategy_type == wanted or config.strategy_id.startswith(wanted)


def _whole_source(
    settings: Settings,
    paths: Sequence[Path],
    columns: Sequence[str],
    time_format: TimeFormat,
    timezone: str | None,
    selection: "Selection",
) -> "RecordedTicks":
    from algo_panda.bootstrap.replay import file_ticks, recorded_ticks, topic_ticks

    folders = [path for path in paths if path.is_dir()]
    if not folders and paths:
        return file_ticks(open_tick_files(paths, columns, time_format, timezone), _refuse)
    if columns or time_format is not TimeFormat.ISO:
        raise ConfigurationError("--column and --time-format are for tick files")
    if not paths:
        return topic_ticks(settings, from_us=selection.from_us)
    if len(paths) > 1:
        raise ConfigurationError(f"replay {folders[0]} alone: one recording, or tick files")
    return recorded_ticks(settings, paths[0])


def _refuse_options(mode: str, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value:
            raise ConfigurationError(f"{name} does not go with {mode}")


def _live_source(settings: Settings, paths: Sequence[Path]) -> "RecordedTicks":
    from algo_panda.bootstrap.replay import recorded_ticks, topic_ticks

    if len(paths) > 1 or any(not path.is_dir() for path in paths):
        raise ConfigurationError("--verify-live is for the topic 'ticks', or one recording of it")
    return recorded_ticks(settings, paths[0]) if paths else topic_ticks(settings)


def _refuse(bad: "BadRow") -> None:
    raise BadInputError(
        f"{bad}. Nothing behind it was replayed; 'panda publish --on-error skip --rejects FILE' "
        "sorts such rows out"
    )
