"""``panda demo``: everything once, to see it happen."""

import json
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from algo_panda.settings import load_settings

if TYPE_CHECKING:
    from algo_panda.demo.environment import DemoEnvironment
    from algo_panda.ingest.source import Row

_notices = Console(stderr=True, highlight=False, soft_wrap=True)

SYNTHETIC_INSTRUMENTS = (1001, 1002, 1003, 1004)
SYNTHETIC_START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
SYNTHETIC_TICKS_PER_SECOND = 40.0
"""Of event time."""
_TICKS_PER_SECOND = 10_000.0
"""Per second of real time."""


def demo(
    ticks: Annotated[
        Path | None, typer.Option("--ticks", help="Publish this file instead of synthetic ticks.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of synthetic ticks.")] = 30_000,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Ticks per second. Default: 10000 synthetic ticks; a file as fast as possible.",
        ),
    ] = None,
    keep_running: Annotated[
        bool, typer.Option("--keep-running", help="Leave everything up until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Run the whole system once, on a broker of its own.

    Publishes ticks, runs all workers, shows the counts and ends with a summary. Starts a broker and
    a database of its own, and removes them at the end; that requires the extra dev-broker. If
    PANDA_KAFKA_BOOTSTRAP_SERVERS is set, the demo uses that broker, under its own topic prefix, and
    its topics stay there. PANDA_DATABASE_URL is never used.
    """
    from algo_panda.demo.view import DemoView, summary_line, summary_table

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with DemoView(_notices) as view:
        view.step("loading" if ticks is None else f"reading {ticks}")
        from algo_panda.demo.environment import demo_environment
        from algo_panda.demo.run import run_demo
        from algo_panda.ingest.pace import FixedRate

        rows, instruments, expected = _rows(ticks, count)
        given_rate = rate or (None if ticks else _TICKS_PER_SECOND)
        stop: list[int] = []
        with demo_environment(load_settings(), instruments, view.step) as (environment, workers):
            view.step("publishing ticks; runner, risk, router and paper process them")
            result = run_demo(
                environment,
                workers,
                rows,
                pace=None if given_rate is None else FixedRate(ticks_per_second=given_rate),
                show=lambda tally: view.show(tally, expected),
                until=lambda: not keep_running or _waits(environment, stop),
            )
            view.step("stopping workers and broker")
    if as_json:
        typer.echo(json.dumps(result.tally.as_object(result.seconds)))
        return
    console = Console(highlight=False)
    tally = result.tally
    console.print(
        f"{tally.ticks_published:,} ticks published, {tally.ticks_processed:,} processed"
        f" in {result.seconds:.1f} s; nothing is left over"
    )
    console.print(summary_line(tally))
    console.print(summary_table(tally))
    if tally.open_orders:
        console.print(
            f"{tally.open_orders:,} orders are open: paper fills an order at the next tick of its"
            " instrument, and none came behind the last"
        )


def _end(number: int, _frame: object) -> None:
    """End in order: what was started is stopped on the way out."""
    sys.exit(128 + number)


def _rows(ticks: Path | None, count: int) -> tuple[Iterable["Row"], tuple[int, ...], int]:
    """The ticks, their instruments, and how many there are."""
    from algo_panda.ingest.opening import Reading, open_source
    from algo_panda.ingest.source import BadRow
    from algo_panda.ingest.synthetic import SyntheticSource

    if ticks is None:
        source = SyntheticSource(
            instruments=SYNTHETIC_INSTRUMENTS,
            ticks=count,
            seed=7,
            start=SYNTHETIC_START,
            ticks_per_second=SYNTHETIC_TICKS_PER_SECOND,
        )
        return source, SYNTHETIC_INSTRUMENTS, count
    from algo_panda.domain.errors import BadInputError

    tokens: dict[int, None] = {}
    number = 0
    for row in (file := open_source(ticks, Reading())):
        if isinstance(row, BadRow):
            raise BadInputError(str(row))
        tokens[row.tick.instrument_token] = None
        number += 1
    if not number:
        raise BadInputError(f"{ticks} has no ticks")
    return file, tuple(sorted(tokens)), number


def _waits(environment: "DemoEnvironment", stop: list[int]) -> bool:
    """Whether the time to stop has come; says where everything is when first asked."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, _frame: stop.append(number))
        _notices.print("everything is left up until Ctrl-C; in another terminal:")
        for name, value in environment.variables.items():
            _notices.print(f"  export {name}={value}", markup=False)
        _notices.print("  panda signals tail")
    return bool(stop)
