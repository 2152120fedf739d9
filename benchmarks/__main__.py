"""``python -m benchmarks``: ours and the peers, interleaved, on one broker."""

import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import results
from benchmarks.cluster import running_cluster
from benchmarks.options import CACHE, RECORDED, Options, Part
from benchmarks.outcome import Outcome
from benchmarks.session import Session


def main(
    only: Annotated[list[Part] | None, typer.Option(help="Parts to run; default: all.")] = None,
    quick: Annotated[bool, typer.Option(help="Seconds per part: to see that it works.")] = False,
    runs: Annotated[int | None, typer.Option(min=1, help="Rounds.")] = None,
    ticks: Annotated[int | None, typer.Option(min=1000, help="Ticks of throughput.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long all but throughput and scaling run.")
    ] = None,
    program: Annotated[
        list[str] | None, typer.Option(help="Only programs with this word in their name.")
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Trades as gzipped CSV; made up where there is no such file.")
    ] = RECORDED,
    cache: Annotated[Path, typer.Option(help="Where the peers' environments are kept.")] = CACHE,
) -> None:
    options = Options(parts=tuple(only or Part), cache=cache, peers=tuple(program or ()))
    options = _adjusted(options.quick() if quick else options, runs, ticks, seconds, data)
    notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    if options.data is None:
        notices.print(f"no trades at {data}: they are made up")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no child is left behind
    where = results.machine()
    parts: dict[str, Any] = {}
    with _cluster_folder() as folder, running_cluster(folder, notices.print) as cluster:
        session = Session(options=options, cluster=cluster, notices=notices)
        for part in options.parts:
            notices.print(f"{part}:")
            outcome = _run(part, session)
            _print(part, outcome)
            parts[part] = {**outcome.data, "targets": [asdict(one) for one in outcome.targets]}
            written = results.write(options, where, parts)
    notices.print(f"all that was measured is in {written}")


def _adjusted(
    options: Options, runs: int | None, ticks: int | None, seconds: float | None, data: Path
) -> Options:
    changes: dict[str, Any] = {"data": data if data.is_file() else None}
    if runs is not None:
        changes["runs"] = runs
    if ticks is not None:
        changes |= {
            "ticks": ticks,
            "scaling_ticks": ticks,
            "replay_ticks": ticks,
            "sweep_ticks": ticks,
        }
    if seconds is not None:
        timed = (Part.LATENCY, Part.MARKET, Part.RESTART, Part.BACKPRESSURE)
        changes |= dict.fromkeys((f"{part}_seconds" for part in timed), seconds)
    return replace(options, **changes)


@contextlib.contextmanager
def _cluster_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="panda-bench-") as folder:
        yield Path(folder)


def _run(part: Part, session: Session) -> Outcome:
    from benchmarks.parts import (
        backpressure,
        latency,
        market,
        replay,
        restart,
        scaling,
        sweep,
        throughput,
    )

    match part:
        case Part.THROUGHPUT:
            return throughput.run(session)
        case Part.SCALING:
            return scaling.run(session)
        case Part.LATENCY:
            return latency.run(session)
        case Part.MARKET:
            return market.run(session)
        case Part.RESTART:
            return restart.run(session)
        case Part.BACKPRESSURE:
            return backpressure.run(session)
        case Part.REPLAY:
            return replay.run(session)
        case Part.SWEEP:
            return sweep.run(session)


def _print(part: Part, outcome: Outcome) -> None:
    console = Console(width=130, highlight=False)
    for shown in outcome.everything(part):
        console.print(shown.title)
        shown.title = None  # else it is wrapped to the table's width
        console.print(shown)
    for note in outcome.notes:
        console.print(note)


if __name__ == "__main__":
    typer.run(main)
