"""How state is packed, and whose state is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.strategies.rules_rsi import RulesRsiParameters
from algo_panda.strategies.state import StateCodec

CODEC = StateCodec("mine", RulesRsiParameters())


@given(parts=st.lists(st.binary(max_size=20), max_size=4))
def test_what_was_packed_comes_out_again(parts):
    assert CODEC.unpack(CODEC.pack(*parts), len(parts)) == parts


@pytest.mark.parametrize(
    "other",
    [StateCodec("other", RulesRsiParameters()), StateCodec("mine", RulesRsiParameters(period=9))],
)
def test_state_of_another_type_or_other_parameters_is_refused(other):
    with pytest.raises(ValueError, match="another strategy type or of other parameters"):
        other.unpack(CODEC.pack(b"x"), 1)


def test_equal_parameters_fit():
    same = StateCodec("mine", RulesRsiParameters(period=14))
    assert same.unpack(CODEC.pack(b"x"), 1) == [b"x"]


@given(cut=st.integers(min_value=0, max_value=30), tail=st.binary(max_size=3))
def test_damaged_state_is_refused(cut, tail):
    state = CODEC.pack(b"window", b"zone")
    damaged = state[:cut] + tail
    if damaged != state:
        with pytest.raises(ValueError, match="strategy state is"):
            CODEC.unpack(damaged, 2)
