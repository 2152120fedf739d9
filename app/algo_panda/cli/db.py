"""``panda db``: the tables, and the revision that they are at."""

import json
from typing import Annotated

import typer
from rich.console import Console

from algo_panda.settings import load_settings

app = typer.Typer(help="The database: its tables and their revision.", no_args_is_help=True)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@app.command()
def upgrade() -> None:
    """Bring the tables to the newest revision, and print it. No row is lost.

    Makes the SQLite file where there is none.
    """
    from algo_panda.store.database import Database
    from algo_panda.store.migrate import BASE
    from algo_panda.store.migrate import upgrade as migrate

    with Database(load_settings().effective_database_url) as database:
        done = migrate(database)
        if done.before == done.after:
            _notices.print(f"{database} is at the newest revision already")
        elif done.before is None:
            _notices.print(f"{database}: made the tables, at revision {done.after}")
        else:
            _notices.print(f"{database}: from revision {done.before} to {done.after}")
    typer.echo(done.after or BASE)


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="1, 2, ... or base: no tables at all.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask, even where strategies are lost.")
    ] = False,
) -> None:
    """Take the tables back to an older revision, and print it. Says first what data goes."""
    from algo_panda.store.database import Database
    from algo_panda.store.migrate import BASE, losses
    from algo_panda.store.migrate import downgrade as migrate

    with Database(load_settings().effective_database_url) as database:
        lost = losses(database, revision)
        for loss in lost:
            _notices.print(f"warning: this deletes {loss}", style="yellow")
        if lost and revision == BASE and not yes:
            typer.confirm(f"Delete all strategies of {database}?", abort=True, err=True)
        done = migrate(database, revision)
        _notices.print(f"{database}: from revision {done.before or BASE} to {done.after or BASE}")
    typer.echo(done.after or BASE)


@app.command()
def current(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the revision that the tables are at; with --json also the id of the database."""
    from algo_panda.store.database import Database
    from algo_panda.store.identity import database_id
    from algo_panda.store.revision import advice, current_revision
    from algo_panda.store.tables import HEAD

    with Database(load_settings().effective_database_url) as database:
        with database.transaction() as connection:
            found = current_revision(connection)
        if as_json:
            known = database_id(database) if found == HEAD else None
            facts = {"revision": found, "head": HEAD, "database": str(database), "id": known}
            typer.echo(json.dumps(facts))
            return
        if found is None:
            _notices.print(f"{database}: the newest revision is {HEAD}; run 'panda db upgrade'")
        elif found != HEAD:
            _notices.print(advice(database, found))
        typer.echo(found or "base")
