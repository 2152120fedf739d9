from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.timestamps import to_micros
from algo_panda.ingest.source import FieldError
from algo_panda.ingest.times import TimeFormat, stamp_times, text_times
from algo_panda.wire.values import EARLIEST_US

LATEST = to_micros(datetime(2030, 1, 1, tzinfo=UTC))
PARIS = ZoneInfo("Europe/Paris")

iso = text_times(TimeFormat.ISO, zone=None, latest_us=LATEST)
iso_in_paris = text_times(TimeFormat.ISO, zone=PARIS, latest_us=LATEST)
seconds = text_times(TimeFormat.SECONDS, zone=None, latest_us=LATEST)
millis = text_times(TimeFormat.MILLISECONDS, zone=None, latest_us=LATEST)
micros = text_times(TimeFormat.MICROSECONDS, zone=None, latest_us=LATEST)

MOMENT = to_micros(datetime(2013, 10, 7, 8, 0, 30, 270_000, tzinfo=UTC))
moments = st.datetimes(
    min_value=datetime(1990, 1, 2),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=datetime(2029, 12, 30),  # noqa: DTZ001
)


@pytest.mark.parametrize(
    "text",
    [
        "2013-10-07T08:00:30.270Z",
        "2013-10-07t08:00:30.270z",
        "2013-10-07 08:00:30.27Z",
        "2013-10-07T08:00:30,270000000Z",
        "2013-10-07T13:30:30.270+05:30",
        "2013-10-07T13:30:30.270+0530",
        "2013-10-07T07:00:30.270-01",
        "2013-10-06T22:30:30.270-09:30",
    ],
)
def test_iso_times_are_read_with_any_zone(text: str) -> None:
    assert iso(text) == MOMENT


@given(moments, st.integers(-23 * 60, 23 * 60))
def test_every_iso_time_of_python_is_read_exactly(moment: datetime, offset_minutes: int) -> None:
    aware = moment.replace(tzinfo=UTC)
    offset = timedelta(minutes=offset_minutes)
    local = (moment + offset).isoformat()
    sign = "+" if offset_minutes >= 0 else "-"
    hours, minutes = divmod(abs(offset_minutes), 60)
    assert iso(f"{local}{sign}{hours:02}:{minutes:02}") == to_micros(aware)


@pytest.mark.parametrize(
    "text",
    [
        "2013-10-07",
        "2013-10-07T08:00Z",
        "20131007T080030Z",
        " 2013-10-07T08:00:30Z",
        "2013-10-07T08:00:30Z ",
        "2013-10-07T08:00:30 UTC",
        "2013-10-07T08:00:30.Z",
        "2013-10-07T08:00:30+24:00",
        "2013-10-07T08:00:30+05:60",
        "٢٠١٣-10-07T08:00:30Z",
        "yesterday",
        "1381132830270",
    ],
)
def test_what_is_not_iso_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match=r"event_time .* is not an ISO 8601 date and time"):
        iso(text)


@pytest.mark.parametrize("text", ["2013-02-29T08:00:30Z", "2013-10-07T25:00:30Z"])
def test_a_date_that_is_not_in_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is no date and time"):
        iso(text)


def test_a_missing_time_is_refused_in_every_form() -> None:
    stamps = stamp_times("us", zone=None, latest_us=LATEST)
    for read, absent in ((iso, ""), (millis, ""), (stamps, None)):
        with pytest.raises(FieldError, match="event_time is absent"):
            read(absent)


def test_what_is_finer_than_a_microsecond_is_refused_rather_than_cut() -> None:
    with pytest.raises(FieldError, match="finer than a microsecond"):
        iso("2013-10-07T08:00:30.2700001Z")
    with pytest.raises(FieldError, match="finer than a microsecond"):
        micros("1381132830270000.5")
    with pytest.raises(FieldError, match="finer than a microsecond"):
        seconds("1381132830.27000000000000000000000000000000000001")
    with pytest.raises(FieldError, match="finer than a microsecond"):
        stamp_times("ns", zone=None, latest_us=LATEST)(MOMENT * 1000 + 1)


def test_epoch_numbers_are_read_in_their_unit() -> None:
    assert seconds("1381132830.270") == MOMENT
    assert seconds("1.38113283027E+9") == MOMENT
    assert millis("1381132830270") == MOMENT
    assert millis("1381132830270.000") == MOMENT
    assert micros("1381132830270000") == MOMENT


@given(st.integers(EARLIEST_US, LATEST))
def test_epoch_seconds_with_six_decimals_are_exact(moment: int) -> None:
    assert seconds(f"{moment // 10**6}.{moment % 10**6:06}") == moment


@pytest.mark.parametrize("text", ["x", "nan", "inf", "1_381_132_830", "0x10", "1e99999"])
def test_what_is_no_number_is_no_epoch_time(text: str) -> None:
    with pytest.raises(FieldError, match="is not a number"):
        seconds(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (seconds, "1381132830270"),
        (millis, "1381132830"),
        (millis, "1381132830270000"),
        (micros, "1381132830270"),
        (seconds, "-5"),
        (seconds, "9" * 400),
        (seconds, "1e999"),
    ],
)
def test_a_number_in_the_wrong_unit_is_an_absurd_time(read, text: str) -> None:
    with pytest.raises(FieldError, match=r"is not between 1990-01-01.* is --time-format right\?"):
        read(text)


@pytest.mark.parametrize("text", ["1989-12-31T23:59:59.999999Z", "2030-01-01T00:00:00.000001Z"])
def test_absurd_times_are_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is not between 1990-01-01T00:00:00Z and 2030-01-01"):
        iso(text)


def test_the_bounds_themselves_are_no_absurd_times() -> None:
    assert iso("1990-01-01T00:00:00Z") == EARLIEST_US
    assert iso("2030-01-01T00:00:00Z") == LATEST


def test_a_naive_time_needs_a_zone() -> None:
    with pytest.raises(FieldError, match="has no time zone; say which with --timezone"):
        iso("2013-10-07T08:00:30.270")
    assert iso_in_paris("2013-10-07T10:00:30.270") == MOMENT
    assert iso_in_paris("2013-10-07T08:00:30.270Z") == MOMENT


@given(moments)
def test_local_times_are_what_the_zone_database_says(moment: datetime) -> None:
    aware = moment.replace(tzinfo=PARIS)
    if aware.utcoffset() == aware.replace(fold=1).utcoffset():
        assert iso_in_paris(moment.isoformat()) == to_micros(aware)


@pytest.mark.parametrize("text", ["2013-03-31T02:30:00", "2013-10-27T02:30:00"])
def test_local_times_that_the_clocks_skip_or_repeat_are_refused(text: str) -> None:
    with pytest.raises(FieldError, match="skipped or shown twice by the clocks of Europe/Paris"):
        iso_in_paris(text)


@pytest.mark.parametrize(
    ("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
def test_timestamps_are_read_in_their_unit(unit, per_second: int) -> None:
    second = MOMENT // 10**6
    in_utc = stamp_times(unit, zone=None, latest_us=LATEST)
    in_paris = stamp_times(unit, zone=PARIS, latest_us=LATEST)
    assert in_utc(second * per_second) == second * 10**6
    assert in_paris((second + 7200) * per_second) == second * 10**6


def test_timestamps_far_out_of_range_are_absurd_times() -> None:
    for zone in (None, PARIS):
        with pytest.raises(FieldError, match=r"is not between|out of range"):
            stamp_times("s", zone=zone, latest_us=LATEST)(2**62)
