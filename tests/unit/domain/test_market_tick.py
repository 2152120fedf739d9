"""Ticks: what goes in comes out, exactly."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import PriceError

AT = datetime(2024, 3, 1, 9, 15, 0, 250_000, tzinfo=UTC)


def test_a_tick_gives_back_what_it_was_made_of():
    tick = MarketTick.of(
        instrument_token=256265,
        event_time=AT.astimezone(timezone(timedelta(hours=5, minutes=30))),
        last_price="185.965",
        last_traded_quantity=100,
        volume_traded=5000,
        received_time=AT + timedelta(milliseconds=3),
    )
    assert tick.instrument_token == 256265
    assert tick.last_price == Decimal("185.965")
    assert tick.event_time == AT
    assert tick.event_time.tzinfo is UTC
    assert tick.received_time == AT + timedelta(milliseconds=3)
    assert (tick.last_traded_quantity, tick.volume_traded) == (100, 5000)


def test_what_the_source_does_not_say_is_zero_or_none():
    tick = MarketTick.of(instrument_token=1, event_time=AT, last_price=100)
    assert (tick.last_traded_quantity, tick.volume_traded) == (0, 0)
    assert tick.received_time is None


def test_a_tick_cannot_be_changed():
    tick = MarketTick.of(instrument_token=1, event_time=AT, last_price=100)
    with pytest.raises(AttributeError):
        tick.price_raw = 5  # type: ignore[misc]


def test_a_price_or_a_time_that_cannot_be_kept_exactly_is_refused():
    with pytest.raises(PriceError):
        MarketTick.of(instrument_token=1, event_time=AT, last_price="1.000000001")
    with pytest.raises(ValueError, match="no time zone"):
        MarketTick.of(instrument_token=1, event_time=AT.replace(tzinfo=None), last_price=1)
