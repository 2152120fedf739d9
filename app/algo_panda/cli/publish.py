"""``panda publish``: ticks from files, or made up, onto the topic."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from algo_panda.cli.publish_run import PublishRun
from algo_panda.cli.tick_files import (
    ColumnOption,
    TimeFormatOption,
    TimezoneOption,
    open_tick_files,
    speed_of,
)
from algo_panda.domain.errors import ConfigurationError
from algo_panda.ingest.times import TimeFormat
from algo_panda.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from algo_panda.ingest.pace import Pace
    from algo_panda.ingest.rejects import Rejects
    from algo_panda.ingest.source import FileSource, TickSource

_FIRST_SYNTHETIC = "2025-01-02T03:45:00Z"
_FOR_SYNTHETIC = ("instruments", "ticks", "seed", "start", "tick_rate")
_FOR_FILES = ("column", "time_format", "timezone", "on_error", "rejects")


class OnError(StrEnum):
    """What to do at a bad row."""

    STOP = "stop"
    SKIP = "skip"


class Timestamps(StrEnum):
    """What records are stamped with."""

    NOW = "now"
    EVENT = "event"


def publish(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Tick files (CSV, JSON lines, Parquet), merged by event time."),
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Instead of files: made-up ticks.")
    ] = False,
    instruments: Annotated[
        str, typer.Option(metavar="TOKEN,...", help="Instruments of made-up ticks.")
    ] = "1001,1002",
    ticks: Annotated[int, typer.Option(min=1, help="How many made-up ticks.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Another one makes up other ticks.")] = 0,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="Event time at which made-up ticks begin.")
    ] = _FIRST_SYNTHETIC,
    tick_rate: Annotated[
        float, typer.Option(help="Made-up ticks per second of event time, in all.")
    ] = 100.0,
    column: ColumnOption = None,
    time_format: TimeFormatOption = TimeFormat.ISO,
    timezone: TimezoneOption = None,
    on_error: Annotated[
        OnError, typer.Option(help="At a bad row: stop, or skip it into the rejects file.")
    ] = OnError.STOP,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The new file for bad rows, with reasons.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Ticks per second to send.")] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="FACTOR", help="Follow event time: 1x as it was, 10x ten times as fast."
        ),
    ] = None,
    timestamps: Annotated[
        Timestamps, typer.Option(help="Stamp records with now, or with the tick's event time.")
    ] = Timestamps.NOW,
    limit: Annotated[int | None, typer.Option(min=1, help="Most ticks to send.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send ticks to the topic 'ticks', as fast as it goes or at a pace.

    Ctrl-C stops, waits for what is under way, and says how many ticks the broker acknowledged.
    """
    _refuse_foreign_options(context, "synthetic" if synthetic else "files")
    pace = _pace(rate, speed)
    kept: Rejects | None = None
    sources: Sequence[TickSource]
    if synthetic:
        sources = [_synthetic(instruments, ticks, seed, start, tick_rate)]
    else:
        if not files:
            raise ConfigurationError("nothing to publish: name tick files, or use --synthetic")
        sources = opened = open_tick_files(files, column or [], time_format, timezone)
        kept = _open_rejects(on_error, rejects, opened)
    run = PublishRun(
        sources=sources,
        rejects=kept,
        pace=pace,
        event_timestamps=timestamps is Timestamps.EVENT,
        limit=limit,
        as_json=as_json,
    )
    run.go(load_settings())


def _refuse_foreign_options(context: typer.Context, chosen: str) -> None:
    """An option that would have no effect is a mistake."""
    if chosen == "synthetic" and context.params["files"]:
        raise ConfigurationError("publish files, or --synthetic ticks: not both")
    foreign, others = (
        (_FOR_FILES, "files") if chosen == "synthetic" else (_FOR_SYNTHETIC, "--synthetic")
    )
    for name in foreign:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ConfigurationError(f"--{name.replace('_', '-')} is for {others}")


def _pace(rate: float | None, speed: str | None) -> "Pace | None":
    from algo_panda.ingest.pace import EventTimePace, FixedRate

    if rate is not None and speed is not None:
        raise ConfigurationError("--rate and --speed contradict each other: choose one")
    if rate is not None:
        return FixedRate(ticks_per_second=rate)
    return None if speed is None else EventTimePace(speed=speed_of(speed))


def _synthetic(
    instruments: str, ticks: int, seed: int, start: str, tick_rate: float
) -> "TickSource":
    from algo_panda.ingest.synthetic import SyntheticSource

    try:
        tokens = [int(token) for token in instruments.split(",")]
    except ValueError as error:
        raise ConfigurationError(f"--instruments {instruments}: write it as 1001,1002") from error
    return SyntheticSource(
        instruments=tokens,
        ticks=ticks,
        seed=seed,
        start=_past_time(start),
        ticks_per_second=tick_rate,
    )


def _past_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time <= datetime.now(UTC):
            return time
    except (ValueError, TypeError):  # no time, or one without a zone
        pass
    raise ConfigurationError(
        f"--start {text}: give a past time with its zone, as {_FIRST_SYNTHETIC}"
    )


def _open_rejects(
    on_error: OnError, path: Path | None, sources: "Sequence[FileSource]"
) -> "Rejects | None":
    from algo_panda.ingest.opening import open_rejects

    match on_error, path:
        case OnError.STOP, None:
            return None
        case OnError.STOP, _:
            raise ConfigurationError("--rejects is for --on-error skip")
        case OnError.SKIP, None:
            raise ConfigurationError("--on-error skip needs --rejects FILE: no row just vanishes")
        case OnError.SKIP, _:
            return open_rejects(path, sources)
