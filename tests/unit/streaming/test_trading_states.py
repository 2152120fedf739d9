"""Whether an account may trade."""

import pytest

from algo_panda.domain.trading import ALL_ACCOUNTS, TradingState
from algo_panda.streaming.control import PinnedStates, TradingStates
from tests.unit.fakes.values import control_event


def test_an_account_that_nobody_named_may_trade() -> None:
    assert TradingStates().of("paper") is TradingState.ACTIVE


@pytest.mark.parametrize("own", list(TradingState))
@pytest.mark.parametrize("everybodys", list(TradingState))
def test_the_stricter_of_both_counts(own: TradingState, everybodys: TradingState) -> None:
    order = [TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED]
    states = TradingStates()
    states.apply(control_event("paper", own))
    states.apply(control_event(ALL_ACCOUNTS, everybodys))
    assert states.of("paper") is max(own, everybodys, key=order.index)
    assert states.of("other") is everybodys


def test_the_newest_event_of_an_account_counts() -> None:
    states = TradingStates()
    states.apply(control_event("paper", TradingState.HALTED))
    states.apply(control_event("paper", TradingState.ACTIVE))
    assert states.of("paper") is TradingState.ACTIVE
    assert [e.state for e in states.events()] == [TradingState.ACTIVE]


def test_halting_all_halts_who_was_active() -> None:
    states = TradingStates()
    states.apply(control_event("paper", TradingState.ACTIVE))
    states.halt_all()
    assert states.of("paper") is TradingState.HALTED


def test_a_record_without_an_event_only_moves_the_offset() -> None:
    states = TradingStates()
    states.apply(control_event("paper", TradingState.HALTED), 6)
    states.skip(7)
    assert states.view().offset == 8
    assert states.of("paper") is TradingState.HALTED


def test_pinned_states_stay_as_they_are_until_they_are_pinned_again() -> None:
    now = [100.0]
    states = outdated_after(5, now)
    states.apply(control_event("paper", TradingState.REDUCING), 3)
    pinned = PinnedStates(states)
    assert pinned.pin() == 4
    states.apply(control_event("paper", TradingState.ACTIVE), 4)
    states.apply(control_event("other", TradingState.HALTED), 5)
    assert pinned.of("paper") is TradingState.REDUCING
    assert pinned.of("other") is TradingState.ACTIVE
    assert pinned.pin() == 6
    assert pinned.of("paper") is TradingState.ACTIVE
    assert pinned.of("other") is TradingState.HALTED
    now[0] += 5.1
    assert pinned.of("paper") is TradingState.ACTIVE
    assert pinned.pin() is None
    assert pinned.of("paper") is TradingState.HALTED


def outdated_after(seconds: float, now: list[float]) -> TradingStates:
    return TradingStates(lambda: now[0], seconds)


@pytest.mark.parametrize("state", list(TradingState))
def test_states_that_nobody_confirms_count_as_halted_until_they_are_confirmed(
    state: TradingState,
) -> None:
    now = [100.0]
    states = outdated_after(5, now)
    states.apply(control_event("paper", state))
    now[0] = 105.0
    assert states.of("paper") is state
    assert states.of("other") is TradingState.ACTIVE
    assert states.outdated_seconds is None
    now[0] = 105.5
    assert states.of("paper") is states.of("other") is TradingState.HALTED
    assert states.outdated_seconds == 5.5
    states.confirm(105.25)
    assert states.of("paper") is state
    assert states.of("other") is TradingState.ACTIVE
    now[0] = 110.5
    assert states.of("paper") is TradingState.HALTED


def test_a_state_that_comes_while_they_are_outdated_is_in_force_with_the_confirmation() -> None:
    now = [0.0]
    states = outdated_after(5, now)
    now[0] = 6.0
    states.apply(control_event("paper", TradingState.REDUCING))
    assert states.of("paper") is TradingState.HALTED
    states.confirm(6.0)
    assert states.of("paper") is TradingState.REDUCING


def test_states_that_were_read_once_do_not_become_outdated() -> None:
    states = TradingStates()
    states.apply(control_event("paper", TradingState.REDUCING))
    assert states.outdated_seconds is None
    assert states.of("paper") is TradingState.REDUCING
