"""``panda strategies``: the rows of the database, and what the workers make of them."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.console import Console

from algo_panda.cli.strategy_options import brokers_of, instruments_of, parameters_of
from algo_panda.cli.strategy_view import Row, as_lines, as_object, as_table, find, joined
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import load_settings
from algo_panda.store.repository import (
    StatusRepository,
    StrategyExistsError,
    StrategyRepository,
    UnusableRow,
)
from algo_panda.store.templates import TEMPLATES

app = typer.Typer(help="The strategies in the database.", no_args_is_help=True)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

_RUN_FROM = "runner workers take this up at their next start"
_RUN_UNTIL = "runner workers that are up go on as before until they are started again"

PLAIN_WIDTH = 160
"""Columns of a table that no terminal shows."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Instruments = Annotated[str, typer.Option(help="Instrument tokens, separated by commas.")]
Ids = Annotated[list[str], typer.Argument(help="Ids, or how they begin.", metavar="ID...")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    strategies: StrategyRepository
    statuses: StatusRepository

    def rows(self) -> list[Row]:
        return joined(self.strategies.list(), self.statuses.list())


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show all strategies: where they run, and what the workers say of them."""
    with _open_store() as store:
        rows = store.rows()
    if as_json:
        typer.echo(json.dumps([as_object(row) for row in rows]))
        return
    if not rows:
        _notices.print("no strategies: 'panda strategies seed' adds one of each built-in type")
        return
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else max(console.width, PLAIN_WIDTH)
    console.print(as_table(rows))


@app.command()
def show(
    strategy_id: Annotated[str, typer.Argument(help="An id, or how it begins.", metavar="ID")],
    as_json: AsJson = False,
) -> None:
    """Show all there is to know of one strategy."""
    with _open_store() as store:
        row = find(store.rows(), strategy_id)
    typer.echo(json.dumps(as_object(row)) if as_json else "\n".join(as_lines(row)))


@app.command()
def seed(
    instruments: Instruments = "1001,1002",
    brokers: Annotated[str, typer.Option(help="Where orders go, by commas.")] = "paper",
) -> None:
    """Add one strategy of each built-in type; those that are there stay as they are."""
    tokens, names = instruments_of(instruments), brokers_of(brokers)
    added = False
    with _open_store() as store:
        for template in TEMPLATES:
            config = template.configured(tokens, names)
            try:
                store.strategies.add(config)
            except StrategyExistsError:
                _notices.print(f"{config.strategy_type} is there already, left as it is")
            else:
                added = True
                _notices.print(f"{config.strategy_type} added")
            typer.echo(str(config.id))
    if added:
        _notices.print(_RUN_FROM)


@app.command()
def add(
    strategy_type: Annotated[str, typer.Argument(help="The strategy type.", metavar="TYPE")],
    instruments: Instruments,
    param: Annotated[
        list[str] | None,
        typer.Option(help="key=value, the value in JSON; may be given more than once."),
    ] = None,
    params_file: Annotated[
        Path | None, typer.Option(help="A JSON object of parameters; --param goes before it.")
    ] = None,
    brokers: Annotated[
        str | None, typer.Option(help="Where orders go, by commas. Default: paper.")
    ] = None,
    signals_only: Annotated[
        bool, typer.Option("--signals-only", help="Publish signals, send no orders.")
    ] = False,
    validator: Annotated[
        str | None, typer.Option(help="The validator type. Default: standard.")
    ] = None,
    strategy_id: Annotated[
        UUID | None, typer.Option("--id", help="A uuid. Default: a random one.")
    ] = None,
) -> None:
    """Add a strategy, and print its id."""
    if brokers is not None and signals_only:
        raise typer.BadParameter("--brokers and --signals-only exclude each other")
    named = None if brokers is None else brokers_of(brokers)
    try:
        config = StrategyConfig(
            id=strategy_id or uuid4(),
            strategy_type=strategy_type,
            parameters=parameters_of(params_file, param or []),
            instruments=instruments_of(instruments),
            active_brokers=() if signals_only else named,
            validator_type=validator,
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    with _open_store() as store:
        store.strategies.add(config)
    _notices.print(f"{strategy_type} added; {_RUN_FROM}")
    typer.echo(str(config.id))


@app.command()
def enable(ids: Ids) -> None:
    """Let workers run strategies, from their next start on."""
    _switch(ids, enabled=True)


@app.command()
def disable(ids: Ids) -> None:
    """Let workers run strategies no more; those that are up do until they are started again."""
    _switch(ids, enabled=False)


def _switch(ids: list[str], *, enabled: bool) -> None:
    word, when = ("enabled", _RUN_FROM) if enabled else ("disabled", _RUN_UNTIL)
    any_changed = False
    with _open_store() as store:
        rows = store.rows()
        change = store.strategies.enable if enabled else store.strategies.disable
        for row in [find(rows, start) for start in ids]:
            changed = change(_uuid(row))
            any_changed = any_changed or changed
            _notices.print(f"{row.id} {'is now' if changed else 'was already'} {word}")
            if enabled and isinstance(row.row, UnusableRow):
                _notices.print(f"note: {row.id} cannot be used: {row.row.reason}")
            typer.echo(row.id)
    if any_changed:
        _notices.print(when)


def _uuid(row: Row) -> UUID:
    try:
        return UUID(row.id)
    except ValueError as error:
        raise ConfigurationError(f"{row.id!r} is not a uuid: mend it in the database") from error


@contextmanager
def _open_store() -> Generator[_Store]:
    from algo_panda.bootstrap import build_factory
    from algo_panda.store.acceptance import factory_check
    from algo_panda.store.database import Database
    from algo_panda.store.sql import SqlStrategyRepository
    from algo_panda.store.sql_status import SqlStatusRepository

    settings = load_settings()
    check = factory_check(build_factory(settings))
    with Database(settings.effective_database_url) as database:
        yield _Store(
            strategies=SqlStrategyRepository(database, check=check, clock=_now),
            statuses=SqlStatusRepository(database, clock=_now),
        )


def _now() -> datetime:
    return datetime.now(UTC)
