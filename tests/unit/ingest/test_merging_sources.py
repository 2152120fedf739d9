from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.ingest.merging import in_event_order
from algo_panda.ingest.source import BadRow, LocatedTick, Origin, Row


class FakeSource:
    """Rows at the given event times; None is a bad row."""

    fraction_read = 0.0

    def __init__(self, name: str, *times: int | None) -> None:
        self.name = name
        self._times = times

    def __iter__(self) -> Iterator[Row]:
        origin = Origin(file=self.name, unit="line")
        for number, time in enumerate(self._times, 1):
            if time is None:
                yield BadRow(where=origin.at(number), reason="bad", raw="")
            else:
                yield LocatedTick(MarketTick(1, time, 1), number, origin)


def places(*sources: FakeSource) -> list[str]:
    return [f"{row.where.file}{row.where.number}" for row in in_event_order(sources)]


def test_rows_of_two_files_come_by_event_time() -> None:
    assert places(FakeSource("a", 1, 4, 5), FakeSource("b", 2, 3, 6)) == (
        ["a1", "b1", "b2", "a2", "a3", "b3"]
    )


def test_at_equal_times_the_file_named_first_goes_first() -> None:
    assert places(FakeSource("a", 1, 2), FakeSource("b", 1, 2)) == ["a1", "b1", "a2", "b2"]


def test_a_bad_row_comes_right_behind_its_predecessor() -> None:
    assert places(FakeSource("a", 5, None, 9), FakeSource("b", None, 4, 7)) == (
        ["b1", "b2", "a1", "a2", "b3", "a3"]
    )


@given(st.lists(st.lists(st.none() | st.integers(1, 50), max_size=20), min_size=1, max_size=4))
def test_every_row_comes_once_and_in_the_order_of_its_file(files: list[list[int | None]]) -> None:
    sources = [FakeSource(str(index), *times) for index, times in enumerate(files)]
    rows = list(in_event_order(sources))
    for source in sources:
        assert [row for row in rows if row.where.file == source.name] == list(source)
