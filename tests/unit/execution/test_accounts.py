"""Brokers have accounts of their own, since order ids are made per account."""

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import load_settings


def test_a_broker_without_an_account_is_booked_under_its_own_name(monkeypatch):
    monkeypatch.setenv("PANDA_ACCOUNTS", '{"zerodha": "AB1234"}')
    settings = load_settings()
    assert settings.account_for("zerodha") == "AB1234"
    assert settings.account_for("paper") == "paper"


def test_an_account_that_two_brokers_share_is_refused(monkeypatch):
    monkeypatch.setenv("PANDA_ACCOUNTS", '{"paper": "A1", "zerodha": "A1"}')
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value) == "PANDA_ACCOUNTS: account 'A1' is given to more than one broker"
