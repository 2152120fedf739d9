"""``panda recover``: accept changed code or another database for the state of the runners."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from algo_panda.domain.timestamps import from_micros, iso_utc
from algo_panda.settings import load_settings

if TYPE_CHECKING:
    from algo_panda.bootstrap.recovery import (
        CodeToAccept,
        DatabaseToAccept,
        Recovery,
        StrategyTicks,
        TickPlace,
    )

app = typer.Typer(
    help="Accept changed code or another database, if runners refuse the recorded state.",
    no_args_is_help=True,
)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be accepted; change nothing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def accept_code(yes: Yes = False, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Accept changed code of strategies after an unclean stop.

    Lists, for each partition and strategy, the ticks of which the former code may have sent
    signals. The present code processes these ticks again. If it sends another signal for one of
    them, that has the id of the signal sent before.

    Stop all runners first. Use the settings of the runners, and start the command in their folder.

    Exit code 0: accepted, or there was nothing to accept. 1: not accepted, or runners are running.
    2: there is no terminal to ask at, and neither --yes nor --dry-run was given.
    """
    recovery = _recovery()
    codes = recovery.codes()
    if not as_json:
        for code in codes:
            for line in _code_lines(code):
                typer.echo(line)
    is_agreed = _is_agreed(len(codes), "code", yes=yes, dry_run=dry_run)
    if is_agreed:
        recovery.accept_codes(codes)
    _finish(is_agreed, list(map(_code_object, codes)), dry_run=dry_run, as_json=as_json)


@app.command()
def accept_database(yes: Yes = False, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Accept the database of PANDA_DATABASE_URL.

    Runners refuse a database whose id differs from the one recorded with their state. Stop all
    runners first. The new database must have a row for every recorded strategy.

    Exit code 0: accepted, or there was nothing to accept. 1: not accepted, or runners are running.
    2: there is no terminal to ask at, and neither --yes nor --dry-run was given.
    """
    recovery = _recovery()
    databases = recovery.databases()
    if not as_json:
        for one in databases:
            typer.echo(
                f"partition {one.partition}: {len(one.strategies)} strategies of database"
                f" {one.recorded}; this one is {one.found}"
            )
    is_agreed = _is_agreed(len(databases), "database", yes=yes, dry_run=dry_run)
    if is_agreed:
        recovery.accept_databases(databases)
    _finish(is_agreed, list(map(_database_object, databases)), dry_run=dry_run, as_json=as_json)


def _recovery() -> "Recovery":
    from algo_panda.bootstrap.recovery import Recovery

    def tell(members: Sequence[str]) -> None:
        _notices.print(f"waiting for runners to leave their group: {', '.join(members)}")

    return Recovery(load_settings(), on_wait=tell)


def _is_agreed(count: int, what: str, *, yes: bool, dry_run: bool) -> bool | None:
    """Return the answer to the question whether to accept; None if nobody can be asked."""
    if not count:
        _notices.print(f"nothing to accept: runners open every partition with this {what}")
        return False
    if dry_run or yes:
        return yes and not dry_run
    if not sys.stdin.isatty():
        return None
    return typer.confirm(f"Accept this {what} on {count} partitions?", err=True)


def _finish(
    is_agreed: bool | None,
    partitions: list[Mapping[str, Any]],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        typer.echo(json.dumps({"accepted": bool(is_agreed), "partitions": partitions}))
    if is_agreed:
        _notices.print(f"accepted on {len(partitions)} partitions: start the runners")
    elif is_agreed is None:
        raise typer.BadParameter(
            "there is no terminal to ask at: add --yes to accept, or --dry-run to look"
        )
    elif partitions and not dry_run:
        _notices.print("nothing was accepted")
        raise typer.Exit(1)


def _code_lines(code: "CodeToAccept") -> list[str]:
    """Write down a partition, and its strategies below."""
    changes = "; ".join(map(str, code.changes))
    where = f"partition {code.partition}, offsets {code.first_offset} to {code.end_offset}"
    return [f"{where}: {changes}", *(f"  {_strategy_line(one)}" for one in code.strategies)]


def _strategy_line(one: "StrategyTicks") -> str:
    config = one.config
    who = f"{config.id} ({config.strategy_type}, version {config.version})"
    if one.first is None or one.last is None:
        return f"{who}: no tick"
    return (
        f"{who}: {one.count:,} ticks, the first at offset {one.first.offset} ({_time(one.first)}),"
        f" the last at offset {one.last.offset} ({_time(one.last)})"
    )


def _code_object(code: "CodeToAccept") -> Mapping[str, Any]:
    return {
        "partition": code.partition,
        "first_offset": code.first_offset,
        "end_offset": code.end_offset,
        "changes": [change._asdict() for change in code.changes],
        "strategies": [
            {
                "strategy_id": str(one.config.id),
                "strategy_type": one.config.strategy_type,
                "strategy_version": one.config.version,
                "ticks": one.count,
                "first_offset": None if one.first is None else one.first.offset,
                "first_time": None if one.first is None else _time(one.first),
                "last_offset": None if one.last is None else one.last.offset,
                "last_time": None if one.last is None else _time(one.last),
            }
            for one in code.strategies
        ],
    }


def _database_object(one: "DatabaseToAccept") -> Mapping[str, Any]:
    return {
        "partition": one.partition,
        "recorded": one.recorded,
        "found": one.found,
        "strategies": [str(config.id) for config in one.strategies],
    }


def _time(place: "TickPlace") -> str:
    return iso_utc(from_micros(place.event_time_us))
