"""Prices as they stand in records, whichever were written before them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.wire.parts import UnusualError, price_part
from algo_panda.wire.values import RAW_LIMIT, raw_to_bytes
from algo_panda.wire.varint import encode_long

raws = st.integers(min_value=1, max_value=RAW_LIMIT - 1)


@given(st.lists(raws, max_size=5), st.integers(1, 3))
def test_a_price_is_its_length_and_its_digits(asked, apart):
    alike = [number + step * apart * 2_039 for number in asked for step in range(3)]
    for raw in [one for one in alike if one < RAW_LIMIT] * 2:
        digits = raw_to_bytes(raw)
        assert price_part(raw) == encode_long(len(digits)) + digits


@pytest.mark.parametrize("raw", [0, -1, -2_039, RAW_LIMIT])
def test_what_is_no_price_is_unusual(raw):
    with pytest.raises(UnusualError):
        price_part(raw)
