"""``panda control``: the kill switch."""

import getpass
import json
import os
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.trading import ALL_ACCOUNTS, KNOWN_BROKERS, ControlEvent, TradingState
from algo_panda.settings import Settings, load_settings

app = typer.Typer(help="The trading state of accounts: the kill switch.", no_args_is_help=True)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

Account = Annotated[str, typer.Option(help="An account id; * is every account.")]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.")]
Force = Annotated[
    bool, typer.Option("--force", help="Take an account that no broker is set up with, too.")
]


@app.command()
def halt(
    account: Account = ALL_ACCOUNTS,
    reason: Reason = "halted from the command line",
    force: Force = False,
) -> None:
    """Let no order pass any more, and no open paper order be filled."""
    _set(account, TradingState.HALTED, reason, force=force)


@app.command()
def reduce(
    account: Account = ALL_ACCOUNTS, reason: Reason = "reducing only", force: Force = False
) -> None:
    """Let only those orders pass that make a position smaller.

    Orders that have passed already may still be filled. Use 'halt' to keep open paper orders from
    being filled.
    """
    _set(account, TradingState.REDUCING, reason, force=force)


@app.command()
def resume(
    account: Account = ALL_ACCOUNTS, reason: Reason = "resumed", force: Force = False
) -> None:
    """Let orders pass again."""
    _set(account, TradingState.ACTIVE, reason, force=force)


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Show the newest state of every account that has one."""
    from algo_panda.bootstrap.control import read_trading_states
    from algo_panda.cli.signal_lines import line
    from algo_panda.wire.json_form import to_json

    states = read_trading_states(load_settings())
    events = states.events()
    if not (events or as_json):
        state = states.of(ALL_ACCOUNTS)
        _notices.print(f"no state was set for any account: every account is {state}")
    for event in events:
        typer.echo(json.dumps(to_json(event)) if as_json else line(event))


def _set(account: str, state: TradingState, reason: str, *, force: bool) -> None:
    from algo_panda.bootstrap.control import send_control_event

    settings: Settings = load_settings()
    _refuse_unknown(settings, account, force=force)
    event = ControlEvent(
        account=account,
        state=state,
        reason=reason,
        issued_by=_user(),
        issued_at=datetime.now(UTC),
    )
    send_control_event(settings, event)
    whose = "every account" if account == ALL_ACCOUNTS else f"account {account}"
    _notices.print(f"{whose} is {state}: the broker has it, workers take it within a second")


def _refuse_unknown(settings: Settings, account: str, *, force: bool) -> None:
    """A slip of the pen must not look like a kill switch that was thrown."""
    if not account.strip():
        raise ConfigurationError("--account is empty; name an account, or * for every account")
    known = {settings.account_for(broker) for broker in KNOWN_BROKERS}
    known |= {ALL_ACCOUNTS, *settings.accounts.values()}
    if account not in known and not force:
        raise ConfigurationError(
            f"no broker has the account {account}; known are {', '.join(sorted(known))}"
            " (PANDA_ACCOUNTS); --force takes it all the same"
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return f"uid {os.getuid()}"
