"""Which accounts ``panda control`` takes."""

import getpass
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from algo_panda.cli.control import _user
from algo_panda.cli.main import app
from algo_panda.domain.errors import ConfigurationError, KafkaError, PandaError
from algo_panda.domain.trading import TradingState
from algo_panda.streaming.control import TradingStates
from tests.unit.fakes.values import control_event


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What gets past its options fails at the broker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PANDA_ACCOUNTS", '{"paper": "PAPER1"}')
    monkeypatch.delenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", raising=False)


def refusal(*arguments: str) -> PandaError:
    error = CliRunner().invoke(app, ["control", *arguments]).exception
    assert isinstance(error, PandaError), error
    return error


@pytest.mark.parametrize("command", ["halt", "reduce", "resume"])
def test_an_account_that_no_broker_has_is_refused_with_those_there_are(command: str) -> None:
    error = refusal(command, "--account", "PAPER2")
    assert isinstance(error, ConfigurationError)
    assert "PAPER2; known: *, PAPER1, zerodha" in str(error)


@pytest.mark.parametrize("more", [(), ("--force",)])
@pytest.mark.parametrize("account", ["", "  "])
def test_an_empty_account_is_refused_even_by_force(account: str, more: tuple[str, ...]) -> None:
    assert "--account is empty" in str(refusal("halt", "--account", account, *more))


@pytest.mark.parametrize(
    "arguments",
    [(), ("--account", "*"), ("--account", "PAPER1"), ("--account", "OLD", "--force")],
)
def test_known_accounts_and_forced_ones_go_to_the_broker(arguments: tuple[str, ...]) -> None:
    assert isinstance(refusal("halt", *arguments), KafkaError)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "every account is HALTED: "),
        (
            ("--account", "PAPER1"),
            "account PAPER1 (of broker paper according to PANDA_ACCOUNTS) is HALTED: ",
        ),
        (
            ("--account", "zerodha"),
            "account zerodha (of broker zerodha according to PANDA_ACCOUNTS) is HALTED: ",
        ),
        (
            ("--account", "OLD", "--force"),
            "account OLD (of no broker according to PANDA_ACCOUNTS) is HALTED: ",
        ),
    ],
)
def test_the_line_names_the_broker_whose_account_it_is(
    arguments: tuple[str, ...], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, TradingState]] = []
    monkeypatch.setattr(
        "algo_panda.bootstrap.control.send_control_event",
        lambda _, event: sent.append((event.account, event.state)),
    )
    result = CliRunner().invoke(app, ["control", "halt", *arguments])
    assert result.exit_code == 0
    assert result.stderr.startswith(line)
    assert sent == [(arguments[1] if arguments else "*", TradingState.HALTED)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resume",), "every account is ACTIVE, unless its own state is stricter: "),
        (("reduce",), "every account is REDUCING, unless its own state is stricter: "),
        (
            ("resume", "--account", "PAPER1"),
            "is ACTIVE, unless the state of all accounts is stricter: ",
        ),
    ],
)
def test_the_line_says_that_a_stricter_state_applies(
    arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("algo_panda.bootstrap.control.send_control_event", lambda *_: None)
    result = CliRunner().invoke(app, ["control", *arguments])
    assert result.exit_code == 0
    assert words in result.stderr


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert _user() == f"uid {os.getuid()}"


EVERY_ACCOUNT = (
    "every account is HALTED, because a later record of the topic cannot be read; 'panda control"
    " resume' ends that"
)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_the_states_that_apply_are_shown_and_not_only_the_events(
    monkeypatch: pytest.MonkeyPatch, *, is_resumed: bool
) -> None:
    states = TradingStates()
    states.apply(control_event("*", TradingState.ACTIVE), 0)
    states.apply(control_event("PAPER1", TradingState.REDUCING), 1)
    states.halt_all(2)  # a record that cannot be read
    if is_resumed:
        states.apply(control_event("*", TradingState.ACTIVE), 3)
    monkeypatch.setattr("algo_panda.bootstrap.control.read_trading_states", lambda _: states)
    shown = CliRunner().invoke(app, ["control", "show"])
    assert shown.exit_code == 0
    assert len(shown.stdout.splitlines()) == 2
    paper = "account PAPER1 (of broker paper according to PANDA_ACCOUNTS) is "
    zerodha = "account zerodha (of broker zerodha according to PANDA_ACCOUNTS) is "
    if is_resumed:
        expected = [paper + "REDUCING", zerodha + "ACTIVE"]
    else:
        expected = [
            EVERY_ACCOUNT,
            paper + "HALTED",
            zerodha + "HALTED",
        ]
    assert shown.stderr.splitlines() == expected
