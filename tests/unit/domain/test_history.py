"""The ticks before the present one: oldest first, never changing once handed out."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.history import HistoryBuffer
from algo_panda.domain.market import MarketTick
from tests.unit.fakes.values import tick

TICKS = [tick(price, seconds=price) for price in range(1, 8)]


def filled(capacity: int, ticks: Sequence[MarketTick] = TICKS) -> HistoryBuffer:
    buffer = HistoryBuffer(capacity)
    for one in ticks:
        buffer.append(one)
    return buffer


def test_the_newest_ticks_come_oldest_first():
    assert list(filled(5).last(3)) == TICKS[4:7]


def test_there_are_fewer_while_fewer_are_known():
    assert list(filled(5, TICKS[:2]).last(4)) == TICKS[:2]
    assert len(HistoryBuffer(5).last(4)) == 0


def test_a_capacity_of_nothing_keeps_nothing():
    assert filled(0).ticks() == ()
    assert len(filled(0).last(0)) == 0


def test_a_history_reads_like_a_list():
    history = filled(5).last(4)
    expected = TICKS[3:7]
    assert len(history) == 4
    assert history[0] == expected[0]
    assert history[-1] == expected[-1]
    assert list(history[1:3]) == expected[1:3]
    assert list(history[::-1]) == expected[::-1]
    assert list(reversed(history)) == expected[::-1]
    assert TICKS[4] in history
    assert TICKS[0] not in history


@pytest.mark.parametrize("index", [4, -5, 100])
def test_what_lies_outside_a_history_cannot_be_reached(index):
    history = filled(5).last(4)  # though the buffer behind it holds more
    with pytest.raises(IndexError):
        history[index]


def test_a_history_is_read_only():
    history = filled(5).last(4)
    with pytest.raises(TypeError):
        history[0] = TICKS[0]  # type: ignore[index]
    with pytest.raises(TypeError):
        del history[0]  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        history.append(TICKS[0])  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        history.size = 3  # type: ignore[attr-defined]
    part = history[0:2]
    with pytest.raises(TypeError):
        part[0] = TICKS[6]  # type: ignore[index]


@given(st.integers(1, 6), st.integers(0, 6), st.integers(1, 40), st.integers(0, 40))
def test_a_history_goes_on_showing_what_it_showed(capacity, count, before, after):
    buffer = filled(capacity, [tick(price) for price in range(1, before + 1)])
    history = buffer.last(min(count, capacity))
    shown = list(history)
    for price in range(before + 1, before + after + 1):
        buffer.append(tick(price))
    assert list(history) == shown


@given(st.integers(1, 6), st.integers(0, 40))
def test_a_buffer_keeps_the_last_of_its_capacity_and_starts_from_them(capacity, count):
    fed = [tick(price) for price in range(1, count + 1)]
    buffer = filled(capacity, fed)
    assert list(buffer.ticks()) == fed[-capacity:]
    again = HistoryBuffer(capacity, fed)
    for extra in (tick(99), tick(98)):
        buffer.append(extra)
        again.append(extra)
        assert again.ticks() == buffer.ticks()
        assert list(again.last(capacity)) == list(buffer.last(capacity))
