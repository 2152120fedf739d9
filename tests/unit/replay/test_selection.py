"""Which part of the ticks is replayed: by time and by offset, both ends as said."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.timestamps import to_micros
from algo_panda.replay.selection import SelectedTicks, Selection, moment, span
from algo_panda.replay.ticks import RECEIVED, Refuse, TickColumns

KOLKATA = ZoneInfo("Asia/Kolkata")
TODAY = date(2026, 11, 23)


class Numbered:
    """Two partitions of twelve ticks, received at their offset times ten, in pieces of five."""

    name = "numbered"
    topic_id = "T"
    count = 24
    partitions = (0, 1)
    time_field = RECEIVED

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        for first in range(0, 12, 5):
            offsets = range(first, min(first + 5, 12))
            ticks = [MarketTick(1, 1, 1, 0, 0, 10 * offset) for offset in offsets]
            yield TickColumns.of(partition, offsets, ticks)


def selected(selection: Selection) -> list[tuple[int, int]]:
    source = SelectedTicks(Numbered(), selection)
    pieces = [
        columns
        for partition in source.partitions
        for columns in source.read(partition, lambda _: None)
    ]
    for columns in pieces:
        assert columns.fields[RECEIVED].tolist() == [
            10 * offset for offset in columns.offsets.tolist()
        ]
    return [(c.partition, offset) for c in pieces for offset in c.offsets.tolist()]


edges = st.none() | st.integers(-5, 130)


@given(edges, edges)
@example(50, None)
@example(None, 50)
def test_times_are_from_the_first_to_before_the_last(
    from_us: int | None, to_us: int | None
) -> None:
    wanted = [
        (partition, offset)
        for partition in (0, 1)
        for offset in range(12)
        if (from_us is None or 10 * offset >= from_us) and (to_us is None or 10 * offset < to_us)
    ]
    assert selected(Selection(from_us=from_us, to_us=to_us)) == wanted


@given(st.integers(0, 14), st.none() | st.integers(0, 14))
def test_offsets_are_of_the_partitions_named(first: int, end: int | None) -> None:
    wanted = [(1, offset) for offset in range(12)[first:end]]
    assert selected(Selection(offsets={1: (first, end)})) == wanted


def test_a_partition_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="numbered has no partition 7"):
        SelectedTicks(Numbered(), Selection(offsets={7: (0, None)}))


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-11-20", "2026-11-19T18:30:00Z", "2026-11-20T18:30:00Z"),
        ("today", "2026-11-22T18:30:00Z", "2026-11-23T18:30:00Z"),
        ("yesterday", "2026-11-21T18:30:00Z", "2026-11-22T18:30:00Z"),
        ("2026-11-20T09:15", "2026-11-20T03:45:00Z", "2026-11-20T03:45:00Z"),
        ("2026-11-20T09:15:00Z", "2026-11-20T09:15:00Z", "2026-11-20T09:15:00Z"),
    ],
)
def test_days_are_those_of_the_zone_and_times_may_say_their_own(
    text: str, begin: str, end: str
) -> None:
    for is_end, wanted in ((False, begin), (True, end)):
        found = moment(text, zone=KOLKATA, today=TODAY, is_end=is_end)
        assert found == to_micros(datetime.fromisoformat(wanted))


def test_a_day_on_which_clocks_change_has_its_own_length() -> None:
    new_york = ZoneInfo("America/New_York")
    first, end = (
        moment("2026-11-01", zone=new_york, today=TODAY, is_end=is_end) for is_end in (False, True)
    )
    assert end - first == 25 * 3_600 * 1_000_000


@pytest.mark.parametrize("text", ["", "tomorrow", "20", "2026-13-01", "09:15"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        moment(text, zone=UTC, today=TODAY, is_end=False)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("0:10-20", (0, (10, 20))), ("3:10-", (3, (10, None))), ("1:-20", (1, (0, 20)))],
)
def test_offsets_are_a_partition_and_two_ends(text: str, wanted: object) -> None:
    assert span(text) == wanted


@pytest.mark.parametrize("text", ["", "0", "10-20", "0:10", "0:a-b", "0:-1-2", "0:20-10", "0:5-5"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        span(text)
