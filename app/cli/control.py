"""``panda control``: the kill switch."""

import getpass
import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from app.domain.timestamps import iso_utc
from app.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from app.settings import Settings, load_settings

app = typer.Typer(help="The trading state of accounts: the kill switch.", no_args_is_help=True)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

Account = Annotated[str, typer.Option(help="An account id; * is every account.")]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.")]


@app.command()
def halt(account: Account = ALL_ACCOUNTS, reason: Reason = "halted from the command line") -> None:
    """Let no order pass any more."""
    _set(account, TradingState.HALTED, reason)


@app.command()
def reduce(account: Account = ALL_ACCOUNTS, reason: Reason = "reducing only") -> None:
    """Let only those orders pass that make a position smaller."""
    _set(account, TradingState.REDUCING, reason)


@app.command()
def resume(account: Account = ALL_ACCOUNTS, reason: Reason = "resumed") -> None:
    """Let orders pass again."""
    _set(account, TradingState.ACTIVE, reason)


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Show the newest state of every account that has one."""
    from app.bootstrap.control import read_control_events

    for event in read_control_events(load_settings()):
        if as_json:
            typer.echo(
                json.dumps(
                    {
                        "account": event.account,
                        "state": event.state,
                        "reason": event.reason,
                        "issued_by": event.issued_by,
                        "issued_at": iso_utc(event.issued_at),
                    }
                )
            )
        else:
            typer.echo(
                f"{event.account}  {event.state}  {event.reason}"
                f"  ({event.issued_by}, {iso_utc(event.issued_at)})"
            )


def _set(account: str, state: TradingState, reason: str) -> None:
    from app.bootstrap.control import send_control_event

    settings: Settings = load_settings()
    event = ControlEvent(
        account=account,
        state=state,
        reason=reason,
        issued_by=getpass.getuser(),
        issued_at=datetime.now(UTC),
    )
    send_control_event(settings, event)
    whose = "every account" if account == ALL_ACCOUNTS else f"account {account}"
    _notices.print(f"{whose} is {state}: the broker has it, workers take it within a second")
