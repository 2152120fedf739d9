"""What was replayed, as it is kept in the note of a commit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from algo_panda.kafka.replay_ledger import NoteTooLongError, ReplayState

offsets = st.integers(0, 50)
batches = st.sets(offsets, min_size=1, max_size=5)


@given(next_offset=offsets, done=st.sets(offsets), unsure=st.sets(offsets))
def test_a_note_gives_the_state_again(next_offset: int, done: set[int], unsure: set[int]):
    state = ReplayState(
        next_offset=next_offset, done=frozenset(done), unsure=frozenset(unsure), known=True
    )
    assert ReplayState.from_note(next_offset, state.to_note()) == state


def test_a_commit_without_note_says_that_all_below_is_done():
    state = ReplayState.from_note(3, None)
    assert [state.is_done(offset) for offset in range(5)] == [True, True, True, False, False]


def test_neighbours_take_no_room():
    note = ReplayState().sent(range(1_000_000)).to_note()
    assert note == '{"done":[[0,999999]]}'


def test_a_note_that_no_broker_takes_is_refused():
    with pytest.raises(NoteTooLongError, match="replay the topic as a whole first"):
        ReplayState().sent(range(0, 10_000, 2)).to_note()


class Replaying(RuleBasedStateMachine):
    """Single letters and whole topics, each arriving or cut short, against plain sets."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ReplayState()
        self.arrived: set[int] = set()
        self.cut_short: set[int] = set()

    @rule(batch=batches)
    def single_letters_arrive(self, batch: set[int]) -> None:
        self.state = self.state.sending(batch).sent(batch)
        self.arrived |= batch
        self.cut_short -= batch

    @rule(batch=batches)
    def a_replay_is_cut_short(self, batch: set[int]) -> None:
        new = {offset for offset in batch if not self.state.is_done(offset)}
        self.state = self.state.sending(new)
        self.cut_short |= new

    @rule(end=offsets)
    def everything_below_arrives(self, end: int) -> None:
        batch = [
            offset
            for offset in range(end)
            if not self.state.is_done(offset) and offset not in self.state.unsure
        ]
        if batch:
            self.state = self.state.sending(batch).sent(batch, all_below=batch[-1] + 1)
            self.arrived.update(batch)

    @invariant()
    def it_knows_what_arrived_and_what_may_have(self) -> None:
        again = ReplayState.from_note(self.state.next_offset, self.state.to_note())
        for state in (self.state, again):
            assert {n for n in range(60) if state.is_done(n)} == self.arrived - self.cut_short
            assert state.unsure == self.cut_short


TestReplaying = Replaying.TestCase
