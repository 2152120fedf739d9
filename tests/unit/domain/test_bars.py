"""Bars against the naive way: sort an interval's ticks by event time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.bars import BarBuilder
from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.money import from_raw
from algo_panda.domain.timestamps import from_micros

SECOND = 1_000_000
TOKEN = 1001


def tick(seconds: float, price: int, quantity: int = 1) -> MarketTick:
    return MarketTick(TOKEN, int(seconds * SECOND), price * 10**8, quantity)


ticks = st.lists(
    st.builds(
        MarketTick,
        st.just(TOKEN),
        st.integers(min_value=-5 * SECOND, max_value=60 * SECOND),
        st.integers(min_value=1, max_value=10**12),
        st.integers(min_value=0, max_value=1000),
    ),
    max_size=60,
)


def naive_bars(stream: list[MarketTick], seconds: int) -> tuple[list[Bar], int]:
    width = seconds * SECOND
    open_index: int | None = None
    late, members, bars = 0, [], []
    for one in stream:
        index = one.event_time_us // width
        if open_index is not None and index < open_index:
            late += 1
            continue
        if index != open_index:
            if members:
                bars.append(naive_bar(members, width))
            open_index, members = index, []
        members.append(one)
    return bars, late


def naive_bar(members: list[MarketTick], width: int) -> Bar:
    in_order = sorted(members, key=lambda one: one.event_time_us)  # stable
    prices = [one.price_raw for one in in_order]
    return Bar(
        instrument_token=TOKEN,
        start=from_micros(members[0].event_time_us // width * width),
        interval_seconds=width // SECOND,
        open=from_raw(prices[0]),
        high=from_raw(max(prices)),
        low=from_raw(min(prices)),
        close=from_raw(prices[-1]),
        volume=sum(one.last_traded_quantity for one in members),
        tick_count=len(members),
    )


@given(stream=ticks, seconds=st.integers(min_value=1, max_value=30))
def test_bars_are_those_of_the_sorted_ticks_of_each_interval(stream, seconds):
    builder = BarBuilder(TOKEN, seconds)
    bars = [bar for bar in map(builder.update, stream) if bar is not None]
    assert (bars, builder.late_ticks) == naive_bars(stream, seconds)


@given(stream=ticks, cut=st.integers(min_value=0, max_value=60))
def test_a_restored_builder_goes_on_as_if_nothing_had_happened(stream, cut):
    whole = BarBuilder(TOKEN, 10)
    for one in stream[:cut]:
        whole.update(one)
    restored = BarBuilder(TOKEN, 10)
    restored.restore(whole.snapshot())
    for one in stream[cut:]:
        assert restored.update(one) == whole.update(one)
    assert restored.late_ticks == whole.late_ticks
    assert restored.snapshot() == whole.snapshot()


def test_a_bar_closes_when_a_tick_of_a_later_interval_arrives():
    builder = BarBuilder(TOKEN, 60)
    assert builder.update(tick(60, 10, 5)) is None
    assert builder.update(tick(61, 12, 1)) is None
    assert builder.update(tick(119.999999, 9, 2)) is None
    assert builder.update(tick(120, 11, 3)) == Bar(
        instrument_token=TOKEN,
        start=datetime(1970, 1, 1, 0, 1, tzinfo=UTC),
        interval_seconds=60,
        open=Decimal(10),
        high=Decimal(12),
        low=Decimal(9),
        close=Decimal(9),
        volume=8,
        tick_count=3,
    )


def test_intervals_without_ticks_give_no_bars():
    builder = BarBuilder(TOKEN, 1)
    builder.update(tick(0, 10))
    first = builder.update(tick(1000, 11))
    second = builder.update(tick(1001, 12))
    assert first is not None
    assert second is not None
    assert (first.start.timestamp(), second.start.timestamp()) == (0, 1000)


def test_a_late_tick_never_reopens_a_closed_bar_and_is_counted():
    builder = BarBuilder(TOKEN, 10)
    builder.update(tick(5, 10))
    builder.update(tick(15, 20))
    assert builder.update(tick(9, 1)) is None
    assert builder.late_ticks == 1
    bar = builder.update(tick(25, 30))
    assert bar is not None
    assert (bar.low, bar.volume, bar.tick_count) == (Decimal(20), 1, 1)


def test_within_the_open_bar_event_time_decides_open_and_close():
    builder = BarBuilder(TOKEN, 10)
    for one in (tick(5, 50), tick(7, 70), tick(6, 60), tick(3, 30), tick(7, 71), tick(3, 31)):
        builder.update(one)
    bar = builder.update(tick(10, 1))
    assert bar is not None
    assert (bar.open, bar.close) == (Decimal(30), Decimal(71))
    assert builder.late_ticks == 0


def test_an_interval_below_a_second_is_refused():
    with pytest.raises(ValueError, match="interval of a bar is 0 s"):
        BarBuilder(TOKEN, 0)


def state(token: int = TOKEN, seconds: int = 10) -> bytes:
    builder = BarBuilder(token, seconds)
    builder.update(tick(1, 1))
    return builder.snapshot()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"", "another version"),
        (b"\x63" + state()[1:], "another version"),
        (state()[:-1], "damaged"),
        (state(token=7), "of instrument 7, not 1001"),
        (state(seconds=60), "of 60 s bars, not 10 s"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(bad, reason):
    builder = BarBuilder(TOKEN, 10)
    builder.update(tick(3, 5))
    before = builder.snapshot()
    with pytest.raises(ValueError, match=reason):
        builder.restore(bad)
    assert builder.snapshot() == before


def test_a_bar_is_a_mapping_of_its_fields():
    bar = BarBuilder(1001, 60)
    assert bar.update(tick(0, 3)) is None
    closed = bar.update(tick(60, 4))
    assert closed is not None
    names = ["instrument_token", "start", "interval_seconds"]
    names += ["open", "high", "low", "close", "volume", "tick_count"]
    assert list(closed) == list(closed.keys()) == names
    assert len(closed) == 9
    assert isinstance(closed, Mapping)
    for name in names:
        assert closed[name] == getattr(closed, name)
        assert name in closed
    assert dict(closed) == {**closed} == dict(closed.items())
    assert closed["close"] == Decimal(3)
    assert closed.get("vwap") is None
    assert "vwap" not in closed
    assert 5 not in closed
    for missing in ("vwap", "keys", "__doc__", 0):
        with pytest.raises(KeyError):
            closed[missing]  # type: ignore[index]
    with pytest.raises(TypeError):
        closed["close"] = Decimal(4)  # type: ignore[index]
    assert hash(closed) == hash(replace(closed))
    assert closed == replace(closed)
    assert closed != replace(closed, close=Decimal(9))
    assert not hasattr(closed, "__dict__")
