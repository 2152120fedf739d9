"""``panda control``: the kill switch."""

import getpass
import json
import os
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from algo_panda.settings import Settings, load_settings

app = typer.Typer(help="Set the trading state of accounts: kill switch.", no_args_is_help=True)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

Account = Annotated[str, typer.Option(help="Account id; * for every account.")]
Reason = Annotated[str, typer.Option(help="Reason, recorded with the event.")]
Force = Annotated[bool, typer.Option("--force", help="Also accept an account that no broker has.")]


@app.command()
def halt(
    account: Account = ALL_ACCOUNTS,
    reason: Reason = "halted from the command line",
    force: Force = False,
) -> None:
    """Reject all new orders, and do not fill open paper orders."""
    _set(account, TradingState.HALTED, reason, force=force)


@app.command()
def reduce(
    account: Account = ALL_ACCOUNTS, reason: Reason = "reducing only", force: Force = False
) -> None:
    """Accept only orders that make a position smaller.

    Approved orders may still be filled. Use 'halt' to stop fills of open paper orders.
    """
    _set(account, TradingState.REDUCING, reason, force=force)


@app.command()
def resume(
    account: Account = ALL_ACCOUNTS, reason: Reason = "resumed", force: Force = False
) -> None:
    """Accept orders again."""
    _set(account, TradingState.ACTIVE, reason, force=force)


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Show the newest event of each account that has one, and the states that apply."""
    from algo_panda.bootstrap.control import read_trading_states
    from algo_panda.cli.signal_lines import line
    from algo_panda.wire.json_form import to_json

    settings = load_settings()
    states = read_trading_states(settings)
    events = states.events()
    if not (events or as_json):
        state = states.of(ALL_ACCOUNTS)
        _notices.print(f"no state was set for any account: every account is {state}")
    for event in events:
        typer.echo(json.dumps(to_json(event)) if as_json else line(event))
    of_all = next((e.state for e in events if e.account == ALL_ACCOUNTS), TradingState.ACTIVE)
    if states.of(ALL_ACCOUNTS) is not of_all:
        _notices.print(
            "every account is HALTED, because a later record of the topic cannot be read;"
            " 'panda control resume' ends that"
        )
    if events:
        accounts = {*settings.known_accounts, *(e.account for e in events)} - {ALL_ACCOUNTS}
        for account in sorted(accounts):
            _notices.print(f"{_described(settings, account)} is {states.of(account)}")


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
    _notices.print(
        f"{_described(settings, account)} is {state}{_unless(account, state)}: recorded; workers"
        " apply it within two seconds"
    )


def _unless(account: str, state: TradingState) -> str:
    """Say when another state applies: the stricter of an account's own and that of all accounts."""
    if state is TradingState.HALTED:
        return ""
    if account == ALL_ACCOUNTS:
        return ", unless its own state is stricter"
    return ", unless the state of all accounts is stricter"


def _described(settings: Settings, account: str) -> str:
    """Name an account and its broker; workers may have other settings than this shell."""
    if account == ALL_ACCOUNTS:
        return "every account"
    broker = settings.known_accounts.get(account)
    if broker is None:
        return f"account {account} (of no broker according to PANDA_ACCOUNTS)"
    return f"account {account} (of broker {broker} according to PANDA_ACCOUNTS)"


def _refuse_unknown(settings: Settings, account: str, *, force: bool) -> None:
    """Refuse a misspelt account: its state would change nothing, and look as if it did."""
    if not account.strip():
        raise ConfigurationError("--account is empty; name an account, or * for every account")
    known = {ALL_ACCOUNTS, *settings.known_accounts}
    if account not in known and not force:
        raise ConfigurationError(
            f"no broker has the account {account}; known: {', '.join(sorted(known))}"
            " (PANDA_ACCOUNTS). To set its state all the same, add --force"
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return f"uid {os.getuid()}"
