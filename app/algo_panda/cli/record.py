"""``panda record``: the topic 'ticks' to Parquet files."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from algo_panda.cli.progress import counting
from algo_panda.cli.stopping import stop_on_signals
from algo_panda.settings import load_settings

_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def record(
    folder: Annotated[Path, typer.Argument(help="Where to; made where it is missing.")],
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Record the topic 'ticks' as Parquet files, byte for byte, with offsets and time stamps.

    Goes on where the last recording to the folder ended. Ctrl-C finishes the files at hand.
    """
    from algo_panda.bootstrap.recording import open_recording

    with ExitStack() as stack:
        recording = stack.enter_context(open_recording(load_settings(), folder, follow=follow))
        show = stack.enter_context(
            counting(_notices, "records", None if follow else recording.waiting)
        )
        stopped = stack.enter_context(stop_on_signals(lambda: None))
        recording.run(stopped=lambda: bool(stopped), on_progress=show)
    facts = {
        "folder": str(folder),
        "topic": recording.topic,
        "outcome": "interrupted" if stopped and not follow else "complete",
        "records": recording.records,
    }
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        typer.echo(
            f"{facts['outcome']}: {recording.records:,} records of {recording.topic} "
            f"added to {folder}"
        )
    if stopped and not follow:
        raise typer.Exit(128 + stopped[0])
