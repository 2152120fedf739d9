"""What every source of ticks keeps to, whatever its format."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.domain.timestamps import from_micros
from algo_panda.ingest.opening import Reading, open_rejects, open_source
from algo_panda.ingest.source import BadRow, LocatedTick, TickSource
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.ingest.times import TimeFormat

NAMES = (
    "instrument_token",
    "event_time",
    "last_price",
    "last_traded_quantity",
    "volume_traded",
)
TICKS = tuple(
    MarketTick.of(
        instrument_token=1001 + number % 2,
        event_time=from_micros(1_381_132_800_000_000 + number * 250_001),
        last_price=Decimal("181.5") + number * Decimal("0.00000001"),
        last_traded_quantity=number,
        volume_traded=number * 1000,
    )
    for number in range(1, 8)
)


def iso(tick: MarketTick) -> str:
    return tick.event_time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def as_texts(tick: MarketTick) -> list[str]:
    return [
        str(tick.instrument_token),
        iso(tick),
        format(tick.last_price, "f"),
        str(tick.last_traded_quantity),
        str(tick.volume_traded),
    ]


def csv_text(rows: Sequence[Sequence[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in (NAMES, *rows))


def json_text(rows: Sequence[Sequence[str]]) -> str:
    """Times as text, everything else as bare numbers where it is one."""
    lines: list[str] = []
    for row in rows:
        fields = dict(zip(NAMES, row, strict=True))
        body = ", ".join(
            f'"{name}": {text if name != "event_time" and is_number(text) else json.dumps(text)}'
            for name, text in fields.items()
        )
        lines.append(f"{{{body}}}\n")
    return "".join(lines)


def is_number(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def write_parquet(
    path: Path, types: Sequence[pa.DataType], columns: Sequence[list[object]]
) -> None:
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, list(NAMES)), path)


def columns_of(ticks: Sequence[MarketTick]) -> list[list[object]]:
    return [
        [tick.instrument_token for tick in ticks],
        [tick.event_time for tick in ticks],
        [tick.last_price for tick in ticks],
        [tick.last_traded_quantity for tick in ticks],
        [tick.volume_traded for tick in ticks],
    ]


def write_typed_parquet(path: Path, ticks: Sequence[MarketTick]) -> None:
    whole, time, price = pa.int64(), pa.timestamp("us", "UTC"), pa.decimal128(18, 8)
    write_parquet(path, (whole, time, price, whole, whole), columns_of(ticks))


def write_float_parquet(path: Path, ticks: Sequence[MarketTick]) -> None:
    columns = columns_of(ticks)
    columns[2] = [float(tick.last_price) for tick in ticks]
    types = (pa.uint32(), pa.timestamp("ns", "Europe/Paris"), pa.float64(), pa.int64(), pa.int64())
    write_parquet(path, types, columns)


def write_text_parquet(path: Path, ticks: Sequence[MarketTick]) -> None:
    columns: list[list[object]] = [list(texts) for texts in zip(*map(as_texts, ticks), strict=True)]
    write_parquet(path, [pa.string()] * 5, columns or [[]] * 5)


def write_text(render: Callable[[Sequence[Sequence[str]]], str]) -> Callable[..., None]:
    def write(path: Path, ticks: Sequence[MarketTick]) -> None:
        data = render([as_texts(tick) for tick in ticks]).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)

    return write


def write_epoch_csv(path: Path, ticks: Sequence[MarketTick]) -> None:
    rows = [as_texts(tick) for tick in ticks]
    for row, tick in zip(rows, ticks, strict=True):
        row[1] = str(tick.event_time_us)
    path.write_text(csv_text(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to write ticks to a file."""

    suffix: str
    write: Callable[[Path, Sequence[MarketTick]], None]
    reading: Reading = Reading()  # noqa: RUF009
    first_number: int = 1

    def source(self, directory: Path, ticks: Sequence[MarketTick]) -> TickSource:
        path = directory / f"ticks{self.suffix}"
        self.write(path, ticks)
        return open_source(path, self.reading)


FORMATS = {
    "csv": Format(suffix=".csv", write=write_text(csv_text), first_number=2),
    "csv.gz": Format(suffix=".csv.gz", write=write_text(csv_text), first_number=2),
    "csv, microseconds": Format(
        suffix=".csv",
        write=write_epoch_csv,
        reading=Reading(time_format=TimeFormat.MICROSECONDS),
        first_number=2,
    ),
    "jsonl": Format(suffix=".jsonl", write=write_text(json_text)),
    "ndjson.gz": Format(suffix=".ndjson.gz", write=write_text(json_text)),
    "parquet": Format(suffix=".parquet", write=write_typed_parquet),
    "parquet, floats": Format(suffix=".parquet", write=write_float_parquet),
    "parquet, text": Format(suffix=".parquet", write=write_text_parquet),
}

every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))


def synthetic() -> SyntheticSource:
    return SyntheticSource(
        instruments=(1001, 1002),
        ticks=len(TICKS),
        seed=7,
        start=datetime(2025, 1, 2, tzinfo=UTC),
        ticks_per_second=100,
    )


@pytest.fixture(params=[*FORMATS, "synthetic"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> TickSource:
    """Seven ticks, from every source there is."""
    if request.param == "synthetic":
        return synthetic()
    return FORMATS[request.param].source(tmp_path, TICKS)


def ticks_of(source: TickSource) -> list[MarketTick]:
    rows = list(source)
    assert [row for row in rows if isinstance(row, BadRow)] == []
    return [row.tick for row in rows if isinstance(row, LocatedTick)]


# Fifteen digits survive a float; the full range is tested below, where the format holds it.
prices = st.integers(1, 10**15 - 1)
whole = st.integers(0, 2**63 - 1)
any_ticks = st.lists(
    st.builds(
        MarketTick,
        st.integers(1, 2**32 - 1),
        st.integers(631_152_000_000_000, 4_102_444_800_000_000),
        prices,
        whole,
        whole,
        st.just(0),
    ),
    max_size=20,
)
per_example = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@every_format
@per_example
@given(ticks=any_ticks)
def test_what_was_written_is_read(form: Format, ticks: list[MarketTick], tmp_path: Path) -> None:
    assert ticks_of(form.source(tmp_path, ticks)) == ticks


@pytest.mark.parametrize("name", [name for name in FORMATS if "float" not in name])
@per_example
@given(raw=st.integers(1, 10**18 - 1))
def test_a_price_of_any_size_is_read_exactly(name: str, raw: int, tmp_path: Path) -> None:
    tick = TICKS[0]._replace(price_raw=raw)
    assert ticks_of(FORMATS[name].source(tmp_path, [tick])) == [tick]


def test_a_source_gives_the_same_ticks_each_time(source: TickSource) -> None:
    first = list(source)
    assert len(first) == len(TICKS)
    assert list(source) == first


def test_a_source_says_how_much_of_it_is_read(source: TickSource) -> None:
    assert source.fraction_read == 0
    fractions = [source.fraction_read for _ in source]
    assert fractions == sorted(fractions)
    assert 0 < fractions[-1] <= 1
    assert source.fraction_read == 1


def test_every_tick_is_located(source: TickSource) -> None:
    rows = list(source)
    numbers = [row.where.number for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(rows)))
    assert {row.where.file for row in rows} == {source.name}


@every_format
def test_an_empty_file_gives_no_ticks(form: Format, tmp_path: Path) -> None:
    assert list(form.source(tmp_path, [])) == []


@every_format
def test_a_bad_row_is_reported_at_its_place_and_reading_goes_on(
    form: Format, tmp_path: Path
) -> None:
    bad = TICKS[3]._replace(price_raw=-5 * 10**8)
    rows = list(form.source(tmp_path, [*TICKS[:3], bad, *TICKS[4:]]))
    assert [type(row) for row in rows] == [LocatedTick] * 3 + [BadRow] + [LocatedTick] * 3
    found = rows[3]
    assert isinstance(found, BadRow)
    assert found.where.number == form.first_number + 3
    assert "last_price -5" in found.reason
    assert "is not positive" in found.reason


@every_format
def test_a_rejects_file_is_read_like_its_source(form: Format, tmp_path: Path) -> None:
    bad = [TICKS[0]._replace(price_raw=0), TICKS[1]._replace(instrument_token=0)]
    path = tmp_path / f"ticks{form.suffix}"
    form.write(path, [bad[0], TICKS[2], bad[1]])
    source = open_source(path, form.reading)
    rejected = [row for row in source if isinstance(row, BadRow)]
    writer = open_rejects(tmp_path / f"rejects{form.suffix}", [source])
    for row in rejected:
        writer.write(row)
    writer.close()
    again = list(open_source(tmp_path / f"rejects{form.suffix}", form.reading))
    assert [row.reason for row in again if isinstance(row, BadRow)] == [
        row.reason for row in rejected
    ]
    assert len(again) == 2
