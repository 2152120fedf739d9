"""Brokers have accounts of their own, since order ids are made per account."""

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import load_settings


def test_a_broker_without_an_account_is_booked_under_its_own_name(monkeypatch):
    monkeypatch.setenv("PANDA_ACCOUNTS", '{"zerodha": "AB1234"}')
    settings = load_settings()
    assert settings.account_for("zerodha") == "AB1234"
    assert settings.account_for("paper") == "paper"


@pytest.mark.parametrize(
    ("accounts", "problem"),
    [
        ('{"paper": "A1", "zerodha": "A1"}', "brokers 'paper' and 'zerodha' would share"),
        (
            '{"paper": "zerodha"}',
            "brokers 'paper' and 'zerodha', whose default is 'zerodha', would share",
        ),
        ('{"zerodha": "paper"}', "brokers 'paper' and 'zerodha' would share"),
        ('{"zerohda": "AB1234"}', "unknown broker 'zerohda'; known brokers: paper, zerodha"),
        ('{"zerodha": "*"}', "'*' cannot be the account of broker 'zerodha'"),
        ('{"paper": " "}', "' ' cannot be the account of broker 'paper'"),
    ],
)
def test_accounts_that_would_mix_orders_of_two_brokers_are_rejected(monkeypatch, accounts, problem):
    monkeypatch.setenv("PANDA_ACCOUNTS", accounts)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"PANDA_ACCOUNTS: {problem}")


def test_brokers_that_exchange_their_default_names_keep_two_accounts(monkeypatch):
    monkeypatch.setenv("PANDA_ACCOUNTS", '{"paper": "zerodha", "zerodha": "paper"}')
    settings = load_settings()
    assert settings.account_for("paper") == "zerodha"
    assert settings.account_for("zerodha") == "paper"
