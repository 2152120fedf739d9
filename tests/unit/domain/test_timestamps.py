"""Instants as whole microseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.timestamps import from_micros, iso_utc, to_micros

aware = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis wants them naive
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.timezones(),
)


def test_the_epoch_is_zero_and_the_moment_before_it_minus_one():
    assert to_micros(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert to_micros(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1


@given(aware)
def test_an_instant_survives_the_way_to_microseconds_and_back(moment):
    back = from_micros(to_micros(moment))
    assert back == moment.astimezone(UTC)
    assert back.utcoffset() == timedelta(0)


@given(st.integers(min_value=-(10**15), max_value=4 * 10**15))
def test_microseconds_survive_the_way_to_an_instant_and_back(micros):
    assert to_micros(from_micros(micros)) == micros


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match=r"2024-03-01T09:15:00 has no time zone"):
        to_micros(datetime(2024, 3, 1, 9, 15))  # noqa: DTZ001 - that is the point


def test_json_times_are_utc_with_a_z():
    india = timezone(timedelta(hours=5, minutes=30))
    assert iso_utc(datetime(2024, 3, 1, 9, 15, tzinfo=india)) == "2024-03-01T03:45:00Z"
    assert iso_utc(datetime(2024, 3, 1, 0, 0, 0, 5, tzinfo=UTC)) == "2024-03-01T00:00:00.000005Z"
