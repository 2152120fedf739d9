from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.ingest.columns import Columns
from algo_panda.ingest.opening import Reading, open_rejects, open_source
from algo_panda.ingest.source import BadRow, LocatedTick, Row, UnreadableSourceError
from algo_panda.ingest.times import TimeFormat

MOMENT = 1_381_132_830_270_000
COLUMNS = {
    "instrument_token": pa.array([1001]),
    "event_time": pa.array([MOMENT], pa.timestamp("us", "UTC")),
    "last_price": pa.array([181.52]),
    "last_traded_quantity": pa.array([283]),
    "volume_traded": pa.array([283]),
}


def write(directory: Path, **columns: pa.Array) -> Path:
    path = directory / "ticks.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def rows_of(path: Path, reading: Reading | None = None) -> list[Row]:
    return list(open_source(path, reading or Reading()))


@pytest.mark.parametrize(
    ("column", "raw"),
    [
        (pa.array([181.52], pa.float32()), 18_152_000_000),
        (pa.array([181.52], pa.float64()), 18_152_000_000),
        (pa.array([181], pa.int16()), 18_100_000_000),
        (pa.array(["181.52"]).dictionary_encode(), 18_152_000_000),
        (pa.array(["181.52"], pa.large_string()), 18_152_000_000),
        (pa.array([Decimal("181.5200")]), 18_152_000_000),
        (pa.array([Decimal("9999999999.99999999")]), 10**18 - 1),
        (pa.array([Decimal("0.00000001")], pa.decimal256(40, 20)), 1),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_price_is_read_exactly_from_any_type(column: pa.Array, raw: int, tmp_path: Path) -> None:
    (row,) = rows_of(write(tmp_path, **COLUMNS | {"last_price": column}))
    assert isinstance(row, LocatedTick)
    assert row.tick == (1001, MOMENT, raw, 283, 283, 0)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_arrow_writes_a_float_by_the_same_shortest_digits_as_python(floats: list[float]) -> None:
    texts = pa.array(floats, pa.float64()).cast(pa.string()).to_pylist()
    assert [Decimal(text) for text in texts] == [Decimal(repr(number)) for number in floats]


@pytest.mark.parametrize(
    ("field", "column", "reason"),
    [
        ("last_price", pa.array([float("nan")]), "last_price 'nan' is not a number"),
        ("last_price", pa.array([0.1 + 0.2]), "more than 8 decimal places"),
        ("last_price", pa.array([None], pa.float64()), "last_price is absent"),
        ("last_price", pa.array([None]), "last_price is absent"),
        ("instrument_token", pa.array([None], pa.int64()), "instrument_token is absent"),
        ("event_time", pa.array([None], pa.timestamp("ms", "UTC")), "event_time is absent"),
        (
            "event_time",
            pa.array([0], pa.timestamp("ms", "UTC")),
            "event_time 0 ms since 1970 is not",
        ),
        ("event_time", pa.array([1], pa.timestamp("ns", "UTC")), "finer than a microsecond"),
        ("event_time", pa.array([1381132830]), "is not an ISO 8601 date and time"),
        ("volume_traded", pa.array([-1]), "volume_traded -1 is negative"),
    ],
)
def test_a_bad_value_is_reported_with_its_row(
    field: str, column: pa.Array, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path, **COLUMNS | {field: column})
    (row,) = rows_of(path)
    assert isinstance(row, BadRow)
    assert str(row.where) == f"{path}, row 1"
    assert reason in row.reason


def test_absent_quantities_are_none_given(tmp_path: Path) -> None:
    columns = COLUMNS | {"last_traded_quantity": pa.array([None], pa.int64())}
    del columns["volume_traded"]
    (row,) = rows_of(write(tmp_path, **columns))
    assert isinstance(row, LocatedTick)
    assert (row.tick.last_traded_quantity, row.tick.volume_traded) == (0, 0)


@pytest.mark.parametrize(
    ("column", "form"),
    [
        (pa.array([1381132830.27]), TimeFormat.SECONDS),
        (pa.array([1381132830270]), TimeFormat.MILLISECONDS),
        (pa.array([MOMENT], pa.uint64()), TimeFormat.MICROSECONDS),
        (pa.array(["2013-10-07T08:00:30.270Z"]), TimeFormat.ISO),
    ],
)
def test_times_in_numbers_and_text_are_read_as_told(
    column: pa.Array, form: TimeFormat, tmp_path: Path
) -> None:
    path = write(tmp_path, **COLUMNS | {"event_time": column})
    (row,) = rows_of(path, Reading(time_format=form))
    assert isinstance(row, LocatedTick)
    assert row.tick.event_time_us == MOMENT


def test_naive_timestamps_need_a_zone(tmp_path: Path) -> None:
    naive = pa.array([datetime(2013, 10, 7, 10, 0, 30, 270_000)])  # noqa: DTZ001
    path = write(tmp_path, **COLUMNS | {"event_time": naive})
    with pytest.raises(UnreadableSourceError, match="have no time zone; say which with --timezone"):
        open_source(path, Reading())
    (row,) = rows_of(path, Reading(timezone=ZoneInfo("Europe/Paris")))
    assert isinstance(row, LocatedTick)
    assert row.tick.event_time_us == MOMENT


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("last_price", pa.array([True])),
        ("last_price", pa.array([[1.5]])),
        ("last_price", pa.array([{"amount": 1.5}])),
        ("last_price", pa.array([b"1.5"])),
        ("last_price", pa.array([1], pa.timestamp("s"))),
        ("event_time", pa.array([datetime(2013, 10, 7).date()])),  # noqa: DTZ001
    ],
    ids=str,
)
def test_a_column_of_another_kind_is_refused_before_the_run(
    field: str, column: pa.Array, tmp_path: Path
) -> None:
    path = write(tmp_path, **COLUMNS | {field: column})
    with pytest.raises(UnreadableSourceError, match=rf"column '{field}' is of type .*, neither"):
        open_source(path, Reading())


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    path.write_text("no parquet")
    with pytest.raises(UnreadableSourceError, match=r"ticks\.parquet cannot be read: "):
        open_source(path, Reading())


def test_a_parquet_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, **COLUMNS)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableSourceError, match=r"ticks\.parquet cannot be read: "):
        open_source(path, Reading())


def test_rows_are_numbered_through_all_batches(tmp_path: Path) -> None:
    count = 40_000
    columns = {name: pa.concat_arrays([column] * count) for name, column in COLUMNS.items()}
    columns["instrument_token"] = pa.array([*range(1, count), -1])
    rows = rows_of(write(tmp_path, **columns))
    ticks = [row for row in rows if isinstance(row, LocatedTick)]
    assert [row.tick.instrument_token for row in ticks] == [row.number for row in ticks]
    assert rows[-1].where.number == count
    assert isinstance(rows[-1], BadRow)


def test_a_column_may_have_another_name(tmp_path: Path) -> None:
    columns = dict(COLUMNS)
    columns["ltp"] = columns.pop("last_price")
    path = write(tmp_path, **columns)
    (row,) = rows_of(path, Reading(columns=Columns.of({"last_price": "ltp"})))
    assert isinstance(row, LocatedTick)
    with pytest.raises(UnreadableSourceError, match="has no column 'last_price'; its columns: ins"):
        open_source(path, Reading())


def test_a_rejects_file_keeps_all_columns_and_their_types(tmp_path: Path) -> None:
    columns = COLUMNS | {"note": pa.array(["kept"]), "tags": pa.array([["a", "b"]])}
    columns["last_price"] = pa.array([-1.0])
    many = {name: pa.concat_arrays([column] * 3_000) for name, column in columns.items()}
    source = open_source(write(tmp_path, **many), Reading())
    writer = open_rejects(tmp_path / "rejects.pq", [source])
    for row in source:
        assert isinstance(row, BadRow)
        writer.write(row)
    writer.close()
    written = pq.read_table(tmp_path / "rejects.pq")
    assert written.drop_columns("reason").equals(pa.table(many))
    assert written["reason"][2_999].as_py() == (
        f"{tmp_path}/ticks.parquet, row 3000: last_price -1 is not positive"
    )
