"""Puts the command groups together and turns foreseen failures into one clear line."""

import sys
from importlib.metadata import version as distribution_version

import typer
from rich.console import Console
from rich.markup import escape

from algo_panda.cli import (
    control,
    db,
    demo,
    dev,
    dlq,
    publish,
    record,
    replay,
    signals,
    strategies,
    topics,
    train,
    worker,
)
from algo_panda.cli.unknown_variables import warn_of_unknown_variables
from algo_panda.domain.errors import PandaError
from algo_panda.runner import partition

app = typer.Typer(
    name="panda",
    help="Trading strategies on a stream: ticks in on Kafka; signals, orders and fills out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.callback()(warn_of_unknown_variables)
app.add_typer(dev.app, name="dev")
app.add_typer(worker.app, name="worker")
app.add_typer(control.app, name="control")
app.add_typer(signals.app, name="signals")
app.add_typer(dlq.app, name="dlq")
app.add_typer(topics.app, name="topics")
app.add_typer(db.app, name="db")
app.add_typer(strategies.app, name="strategies")
app.command()(publish.publish)
app.command()(record.record)
app.add_typer(replay.app, name="replay")
app.command()(train.train)
app.command()(demo.demo)


@app.command()
def version() -> None:
    """Print the version, and whether the path of a tick is compiled."""
    is_compiled = not str(partition.__file__).endswith(".py")
    runs = "compiled" if is_compiled else "not compiled, so slower"
    typer.echo(f"{distribution_version('algo-panda')} ({runs})")


def main() -> None:
    """Run ``panda``. Exit codes are documented in ``docs/cli.md``."""
    try:
        app()
    except PandaError as error:
        message = f"[bold red]error:[/] {escape(str(error))}"
        Console(stderr=True).print(message, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
