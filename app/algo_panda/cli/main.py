"""The command ``panda``: its commands, and one clear line for each foreseen failure."""

import sys
from typing import Annotated, ClassVar

import typer

from algo_panda._paths import remove_local_folders
from algo_panda.cli.lazy import LazyCommand, LazyGroup
from algo_panda.domain.errors import PandaError


class PandaCommands(LazyGroup):
    """The commands of ``panda``, in the order in which ``panda --help`` lists them."""

    lazy: ClassVar[dict[str, LazyCommand]] = {
        "publish": LazyCommand(
            "publish:publish", "Send ticks, from files or synthetic, to the topic 'ticks'."
        ),
        "record": LazyCommand(
            "record:record", "Record the topic 'ticks' as Parquet files, byte for byte."
        ),
        "train": LazyCommand(
            "train:train", "Train the model of ml_momentum and hybrid_ml_rsi_filter."
        ),
        "demo": LazyCommand("demo:demo", "Run the whole system once, on a broker of its own."),
        "version": LazyCommand(
            "version:version", "Print the version, and whether compiled code runs."
        ),
        "dev": LazyCommand("dev:app", "Run a Kafka broker in the background, for development."),
        "worker": LazyCommand("worker:app", "Run the workers: runner, risk, router, paper."),
        "control": LazyCommand("control:app", "Set the trading state of accounts: kill switch."),
        "signals": LazyCommand("signals:app", "Show signals, orders and the other records."),
        "dlq": LazyCommand("dlq:app", "Show and replay dead letters."),
        "topics": LazyCommand(
            "topics:app", "Compare topics and ACLs with their declarations, and apply them."
        ),
        "db": LazyCommand("db:app", "Create the tables of the database, and show their revision."),
        "strategies": LazyCommand("strategies:app", "Add, list and change strategies."),
        "recover": LazyCommand(
            "recover:app", "Accept changed code or another database for a recorded state."
        ),
        "replay": LazyCommand("replay:app", "Run a backtest on recorded ticks."),
    }


app = typer.Typer(
    name="panda",
    cls=PandaCommands,
    help="Trading strategies on a stream: ticks in on Kafka; signals, orders and fills out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from algo_panda.cli.version import version

        version()
        raise typer.Exit


@app.callback()
def before_any_command(
    version: Annotated[  # noqa: ARG001 - the callback of the option does it
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Warn of variables that are no setting."""
    from algo_panda.cli.unknown_variables import warn_of_unknown_variables

    warn_of_unknown_variables()


def main() -> None:
    """Run ``panda``. Exit codes are documented in ``docs/cli.md``."""
    remove_local_folders()
    try:
        app()
    except PandaError as error:
        from rich.console import Console
        from rich.markup import escape

        message = f"[bold red]error:[/] {escape(str(error))}"
        Console(stderr=True, emoji=False).print(message, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
