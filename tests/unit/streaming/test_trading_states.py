"""Whether an account may trade."""

from datetime import UTC, datetime

import pytest

from algo_panda.domain.trading import ALL_ACCOUNTS, ControlEvent, TradingState
from algo_panda.streaming.control import TradingStates


def event(account: str, state: TradingState) -> ControlEvent:
    return ControlEvent(
        account=account,
        state=state,
        reason="a test",
        issued_by="me",
        issued_at=datetime(2026, 1, 5, tzinfo=UTC),
    )


def test_an_account_that_nobody_named_may_trade() -> None:
    assert TradingStates().of("paper") is TradingState.ACTIVE


@pytest.mark.parametrize("own", list(TradingState))
@pytest.mark.parametrize("everybodys", list(TradingState))
def test_the_stricter_of_both_counts(own: TradingState, everybodys: TradingState) -> None:
    order = [TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED]
    states = TradingStates()
    states.apply(event("paper", own))
    states.apply(event(ALL_ACCOUNTS, everybodys))
    assert states.of("paper") is max(own, everybodys, key=order.index)
    assert states.of("other") is everybodys


def test_the_newest_event_of_an_account_counts() -> None:
    states = TradingStates()
    states.apply(event("paper", TradingState.HALTED))
    states.apply(event("paper", TradingState.ACTIVE))
    assert states.of("paper") is TradingState.ACTIVE
    assert [e.state for e in states.events()] == [TradingState.ACTIVE]


def test_halting_all_halts_who_was_active() -> None:
    states = TradingStates()
    states.apply(event("paper", TradingState.ACTIVE))
    states.halt_all()
    assert states.of("paper") is TradingState.HALTED


def test_while_events_are_hidden_nobody_may_trade() -> None:
    states = TradingStates()
    states.apply(event("paper", TradingState.REDUCING))
    states.hide(True)
    states.apply(event("other", TradingState.ACTIVE))
    assert states.of("paper") is states.of("other") is TradingState.HALTED
    assert {e.account: e.state for e in states.events()} == {
        "other": TradingState.ACTIVE,
        "paper": TradingState.REDUCING,
    }
    states.hide(False)
    assert states.of("paper") is TradingState.REDUCING
    assert states.of("other") is TradingState.ACTIVE
