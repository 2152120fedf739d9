"""``panda dlq``: records that a reader could not use; show them, send them on again."""

import json
import sys
from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from algo_panda.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from algo_panda.cli.dlq_letters import Letter

app = typer.Typer(
    help="Show and replay dead letters: records that a worker could not use.", no_args_is_help=True
)
_data = Console(highlight=False, markup=False)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

Topics = Annotated[
    list[str] | None,
    typer.Option(
        "--topic", metavar="NAME", help="Topic that they came from. Default: every topic."
    ),
]


@app.command()
def show(
    topic: Topics = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all, one JSON object per line.")
    ] = False,
) -> None:
    """List dead letters: origin, error, and whether they were replayed."""
    from algo_panda.cli.dlq_letters import DeadLetters, facts

    with DeadLetters.open(topic) as letters:
        if as_json:
            for letter in letters:
                typer.echo(json.dumps(facts(letter)))
            return
        newest: deque[Letter] = deque(maxlen=limit)
        count = 0
        for letter in letters:
            newest.append(letter)
            count += 1
    if count:
        _data.print(_table(newest))
    shown = f", the newest {limit} of them shown" if count > limit else ""
    _notices.print(f"{count} dead letters{shown}")


@app.command()
def replay(
    topic: Topics = None,
    offset: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Only the one at this offset; needs --topic; repeatable."),
    ] = None,
    partition: Annotated[int, typer.Option(min=0, help="Partition of --offset.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also send those that were, or may have been, replayed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send dead letters to the topic that they came from.

    Key, value and headers are those of the original record. The broker stores which dead letters
    were replayed; these are not sent a second time without --again.
    """
    from algo_panda.cli.dlq_replay import Replay

    if offset and (topic is None or len(topic) != 1):
        raise ConfigurationError("--offset needs --topic NAME: offsets are those of one topic")
    chosen = None if not offset else frozenset((partition, number) for number in offset)
    with Replay.plan(topic, chosen, again=again) as plan:
        for line in plan.left_out:
            _notices.print(line)
        summary = plan.summary()
        for line in summary:
            _notices.print(line)
        sent = 0
        if plan.count and not dry_run and (yes or _agreed(plan.count)):
            sent = plan.send()
    if not summary:
        _notices.print("nothing to replay")
    if as_json:
        typer.echo(json.dumps({"found": plan.count, "replayed": sent, "dry_run": dry_run}))
    elif sent:
        _notices.print(
            "1 dead letter was replayed" if sent == 1 else f"{sent} dead letters were replayed"
        )


def _agreed(count: int) -> bool:
    if not _somebody_is_there():
        raise ConfigurationError("there is no terminal to ask at: add --yes, or --dry-run to look")
    return typer.confirm(f"Send these {count} records?", err=True)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _table(letters: "deque[Letter]") -> Table:
    from algo_panda.cli.dlq_letters import facts

    table = Table(box=box.SIMPLE)
    table.add_column("dead letter", overflow="fold")
    for heading in ("from", "code", "replayed"):
        table.add_column(heading, no_wrap=True)
    table.add_column("message", overflow="fold")
    for letter in letters:
        fact = facts(letter)
        origin = f"[{fact['source_partition']}] {fact['source_offset']}"
        table.add_row(
            f"{fact['topic']}[{fact['partition']}] {fact['offset']}",
            origin if fact["source_topic"] else "-",
            str(fact["code"] or "-"),
            str(fact["replayed"]),
            str(fact["message"]),
        )
    return table
