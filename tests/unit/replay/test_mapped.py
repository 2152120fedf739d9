"""Mapped ticks are those of their source, and windows cut them without overlap or gap."""

import errno
import pickle
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.replay import mapped
from algo_panda.replay.mapped import MappedTicks, map_ticks
from algo_panda.replay.selection import SelectedTicks, Selection
from algo_panda.replay.ticks import RECEIVED, RecordedTicks, Refuse, TickColumns, Unusable
from algo_panda.replay.windows import Span, WindowError, rolling_windows


class Given:
    """Partitions 3, 4, ... of ticks received at these times, in pieces of some length."""

    name = "given"
    topic_id = "T"
    count = None
    time_field = RECEIVED

    def __init__(self, times: Sequence[Sequence[int]], length: int = 3) -> None:
        self._times = times
        self._length = length
        self.partitions = range(3, 3 + len(times))

    def read(self, partition: int, refuse: Refuse, /) -> Iterator[TickColumns]:
        times = self._times[partition - 3]
        refuse(Unusable(partition=partition, offset=len(times), code="TOO_SHORT", reason="no"))
        yield TickColumns.of(partition, [], [])
        for first in range(0, len(times), self._length):
            part = times[first : first + self._length]
            ticks = [MarketTick(partition, n, -n, n, 2**62, time) for n, time in enumerate(part)]
            yield TickColumns.of(partition, range(7 + first, 7 + first + len(part)), ticks)


Row = tuple[int, int, MarketTick]


def rows(source: RecordedTicks) -> list[Row]:
    return [
        (partition, offset, tick)
        for partition in source.partitions
        for columns in source.read(partition, lambda _: None)
        for offset, tick in zip(columns.offsets.tolist(), columns.ticks(), strict=True)
    ]


def map_given(times: Sequence[Sequence[int]], folder: Path) -> MappedTicks:
    return map_ticks(Given(times), folder, lambda _: None)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_PIECE", 4)


some_times = st.lists(st.lists(st.integers(0, 50), max_size=30), max_size=3)


@given(some_times)
@settings(max_examples=50)
def test_ticks_are_the_same_in_another_process(times: list[list[int]]) -> None:
    with TemporaryDirectory() as folder:
        source = Given(times)
        found = pickle.loads(pickle.dumps(map_given(times, Path(folder))))
        assert rows(found) == rows(source)
        assert list(found.partitions) == list(source.partitions)
        assert (found.name, found.topic_id, found.time_field) == ("given", "T", RECEIVED)
        assert found.count == sum(map(len, times))


@given(some_times, st.integers(-1, 52))
@settings(max_examples=50)
def test_how_many_came_before_a_moment_is_known(times: list[list[int]], moment: int) -> None:
    with TemporaryDirectory() as folder:
        found = map_given(times, Path(folder)).before(moment)
    assert found == sum(time < moment for some in times for time in some)


@given(some_times, st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=50)
def test_pieces_that_are_not_read_have_nothing_of_the_time_chosen(
    times: list[list[int]], first: int, end: int
) -> None:
    selection = Selection(from_us=first, to_us=end)
    with TemporaryDirectory() as folder:
        part = map_given(times, Path(folder)).between(first, end)
        assert rows(SelectedTicks(part, selection)) == rows(SelectedTicks(Given(times), selection))


def test_records_that_are_no_ticks_are_told_of_once(tmp_path: Path) -> None:
    told: list[Unusable] = []
    found = map_ticks(Given([[1, 2], [3]]), tmp_path, told.append)
    rows(found)
    assert [(record.partition, record.offset) for record in told] == [(3, 2), (4, 1)]


def test_reading_stops_when_it_is_told_to(tmp_path: Path) -> None:
    read: list[int] = []
    found = map_ticks(
        Given([list(range(30)), [5]]),
        tmp_path,
        lambda _: None,
        stopped=lambda: len(read) > 2,
        on_progress=read.append,
    )
    assert found.count == read[-1] == 6
    assert len(rows(found)) == 6


def test_a_folder_that_is_full_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ConfigurationError, match="No space left on device; TMPDIR"):
        map_given([[1]], tmp_path)


shares = st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=40)
long_times = st.lists(st.lists(st.integers(0, 10**5), min_size=1, max_size=60), min_size=1)


@given(long_times, st.integers(1, 6), shares)
@example([[0, 0, 0, 1, 2, 3]], 3, Fraction(21, 40))
@settings(max_examples=50)
def test_windows_never_overlap_what_judges_them_and_cover_the_period(
    times: list[list[int]], count: int, share: Fraction
) -> None:
    every = sorted(time for some in times for time in some)
    with TemporaryDirectory() as folder:
        ticks = map_given(times, Path(folder))
        try:
            windows = rolling_windows(ticks, count=count, in_sample=share)
        except WindowError:
            # Some part would have had no tick, or two would have begun at the same moment.
            assert len(every) < 3 * 20 * count or len(set(every)) < len(every)
            return
    assert len(windows) == count
    assert windows[0].in_sample.from_us == every[0]
    assert windows[-1].out_of_sample.to_us == every[-1] + 1
    for window in windows:
        assert window.in_sample.to_us == window.out_of_sample.from_us
        for span in (window.in_sample, window.out_of_sample):
            assert any(span.from_us <= time < span.to_us for time in every)
    for one, following in pairwise(windows):
        assert one.out_of_sample.to_us == following.out_of_sample.from_us
        assert one.in_sample.from_us < following.in_sample.from_us


def test_parts_have_the_share_of_ticks_that_was_asked_for(tmp_path: Path) -> None:
    # A night without ticks is between the 60th and the 61st.
    ticks = map_given([[*range(60), *range(10_000, 10_040)]], tmp_path)
    (window,) = rolling_windows(ticks, count=1, in_sample=Fraction(7, 10))
    assert window.in_sample == Span(from_us=0, to_us=10_009 + 1)
    assert window.out_of_sample == Span(from_us=10_010, to_us=10_040)
    three = rolling_windows(ticks, count=3, in_sample=Fraction(2, 5))
    # 1 / (0.4 + 3 * 0.6) of the ticks to a window.
    judged = [
        ticks.before(one.out_of_sample.to_us) - ticks.before(one.out_of_sample.from_us)
        for one in three
    ]
    assert judged == [27, 27, 27]
    assert ticks.before(three[0].out_of_sample.from_us) == 19


def test_ticks_of_one_moment_or_none_cannot_be_cut(tmp_path: Path) -> None:
    said = "9 ticks are too few to cut into 1 windows.* moment: what was recorded is cut by when"
    with pytest.raises(WindowError, match=said):
        rolling_windows(map_given([[5] * 9], tmp_path), count=1, in_sample=Fraction(1, 2))
    with pytest.raises(WindowError, match="given has no ticks to choose on"):
        rolling_windows(map_given([[]], tmp_path), count=1, in_sample=Fraction(1, 2))
