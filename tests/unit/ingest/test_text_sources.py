import gzip
import json
from pathlib import Path

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.ingest.columns import Columns
from algo_panda.ingest.opening import Reading, open_rejects, open_source
from algo_panda.ingest.source import BadRow, LocatedTick, Row, UnreadableSourceError

HEADER = "instrument_token,event_time,last_price,last_traded_quantity,volume_traded\n"
GOOD = "1001,2013-10-07T08:00:30.270Z,181.5200,283,283\n"


def rows_of(path: Path, reading: Reading | None = None) -> list[Row]:
    return list(open_source(path, reading or Reading()))


def write(directory: Path, text: str | bytes, name: str = "ticks.csv") -> Path:
    path = directory / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def reasons(rows: list[Row]) -> list[str]:
    return [str(row) for row in rows if isinstance(row, BadRow)]


def test_the_first_real_tick_is_read_with_its_line(tmp_path: Path) -> None:
    (row,) = rows_of(write(tmp_path, HEADER + GOOD))
    assert isinstance(row, LocatedTick)
    assert row.tick == (1001, 1_381_132_830_270_000, 18_152_000_000, 283, 283, 0)
    assert str(row.where) == f"{tmp_path}/ticks.csv, line 2"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + GOOD,
        (HEADER + GOOD).replace("\n", "\r\n"),
        HEADER + GOOD.rstrip(),
        HEADER + "\n" + GOOD + "\n\n",
        HEADER + '"1001","2013-10-07T08:00:30.270Z","181.5200","283",283\n',
    ],
    ids=["byte order mark", "CRLF", "no last line break", "blank lines", "quotes"],
)
def test_csv_as_spreadsheets_write_it_is_read(text: str, tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path, text))
    assert reasons(rows) == []
    assert len(rows) == 1


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    path = write(
        tmp_path, 'ltp,"note, long",token,at\n181.52,"a, b",1001,2013-10-07T08:00:30.270Z\n'
    )
    columns = Columns.of({"last_price": "ltp", "instrument_token": "token", "event_time": "at"})
    (row,) = rows_of(path, Reading(columns=columns))
    assert isinstance(row, LocatedTick)
    assert row.tick == (1001, 1_381_132_830_270_000, 18_152_000_000, 0, 0, 0)


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path, "token,event_time,last_price\n")
    with pytest.raises(UnreadableSourceError) as error:
        open_source(path, Reading())
    assert str(error.value) == (
        f"{path} has no column 'instrument_token'; its columns: token, event_time, last_price. "
        "Name the right one with --column instrument_token=NAME"
    )


def test_an_optional_column_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER)
    with pytest.raises(UnreadableSourceError, match="has no column 'qty'"):
        open_source(path, Reading(columns=Columns.of({"last_traded_quantity": "qty"})))


def test_a_field_that_no_tick_has_cannot_be_mapped() -> None:
    with pytest.raises(ConfigurationError, match="a tick has no field 'ltp'; its fields: instr"):
        Columns.of({"ltp": "last_price"})


@pytest.mark.parametrize("text", ["", "\n", "\r\n"])
def test_a_file_without_a_header_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match="is empty: its first line must name columns"):
        open_source(write(tmp_path, text), Reading())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1001,2013-10-07T08:00:30Z,181.52,283\n", "4 fields where the header has 5"),
        ("1001,2013-10-07T08:00:30Z,181,52,283,1\n", "6 fields where the header has 5"),
        (",2013-10-07T08:00:30Z,181.52,283,1\n", "instrument_token is absent"),
        ("1001,,181.52,283,1\n", "event_time is absent"),
        ("1001,2013-10-07T08:00:30Z,,283,1\n", "last_price is absent"),
        ("1001,2013-10-07T08:00:30Z,0,283,1\n", "last_price 0 is not positive"),
        ("1001,2013-10-07T08:00:30Z,181.52,-2,1\n", "last_traded_quantity -2 is negative"),
        ("1001,2013-10-07T08:00:30Z,181.52,2,-1\n", "volume_traded -1 is negative"),
        ("1001,2013-10-07T08:00:30Z,181.52,2,1.5\n", "volume_traded '1.5' is not a whole number"),
        ('1001,2013-10-07T08:00:30Z,"181.52,2,1\n', "no row of comma-separated values"),
        ('1001,2013-10-07T08:00:30Z,"1"2,2,1\n', "no row of comma-separated values"),
    ],
)
def test_a_bad_row_is_reported_with_its_line(line: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + GOOD + line + GOOD)
    rows = rows_of(path)
    assert [type(row) for row in rows] == [LocatedTick, BadRow, LocatedTick]
    assert reasons(rows)[0].startswith(f"{path}, line 3: {reason}")


def test_bytes_that_are_not_utf_8_spoil_their_row_alone_and_come_out_as_they_went_in(
    tmp_path: Path,
) -> None:
    line = b"1001,2013-10-07T08:00:30Z,181\xff52,283,1\n"
    path = write(tmp_path, HEADER.encode() + GOOD.encode() + line + GOOD.encode())
    source = open_source(path, Reading())
    rows = list(source)
    assert [type(row) for row in rows] == [LocatedTick, BadRow, LocatedTick]
    writer = open_rejects(tmp_path / "rejects.csv", [source])
    writer.write(rows[1])
    writer.close()
    assert (tmp_path / "rejects.csv").read_bytes().endswith(b"," + line)


def test_an_open_quote_does_not_swallow_the_rows_behind_it(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + '1001,"2013-10-07T08:00:30Z,181,2,1\n' + GOOD * 5)
    rows = rows_of(path)
    assert len(reasons(rows)) == 1
    assert len(rows) == 6


def test_a_gzip_file_that_breaks_off_is_an_error_after_what_could_be_read(tmp_path: Path) -> None:
    data = gzip.compress((HEADER + GOOD * 50_000).encode())
    path = write(tmp_path, data[: len(data) // 2], "ticks.csv.gz")
    rows: list[Row] = []
    with pytest.raises(UnreadableSourceError, match=r"ticks\.csv\.gz breaks off"):
        rows.extend(open_source(path, Reading()))
    assert 0 < len(rows) < 50_000


@pytest.mark.parametrize("data", [b"no gzip at all", b"\x1f\x8b\x08\x00" + b"\x00" * 40])
def test_what_is_no_gzip_file_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match="cannot be read"):
        open_source(write(tmp_path, data, "ticks.csv.gz"), Reading())


@pytest.mark.parametrize("name", ["none.csv", "none.jsonl", "none.parquet"])
def test_a_file_that_is_not_there_is_refused_before_the_run(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match=f"{name} cannot be read: .*o such file"):
        open_source(tmp_path / name, Reading())


@pytest.mark.parametrize("name", ["ticks", "ticks.xlsx", "ticks.gz", "csv", "ticks.csv.zip"])
def test_an_unknown_kind_of_file_is_refused_with_those_that_are_known(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableSourceError, match=r"unknown kind of tick file; known: \.csv, "):
        open_source(write(tmp_path, HEADER, name), Reading())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON: "),
        ("[1, 2]", "no JSON object"),
        ("7", "no JSON object"),
        ("{}", "instrument_token is absent"),
        ("[" * 100_000, "no JSON object of plain fields: nested too deep"),
        ('{"instrument_token": null}', "instrument_token is absent"),
        ('{"instrument_token": true}', "instrument_token true is neither number nor text"),
        ('{"instrument_token": [1001]}', 'instrument_token ["1001"] is neither number nor text'),
    ],
)
def test_a_line_that_is_no_tick_is_reported(line: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, "\n" + line + "\n", "ticks.jsonl")
    (found,) = reasons(rows_of(path))
    assert found.startswith(f"{path}, line 2: {reason}")


def test_a_json_price_is_never_rounded_by_way_of_a_float(tmp_path: Path) -> None:
    line = (
        '{"instrument_token": 1001, "event_time": "2013-10-07T08:00:30.270Z", '
        '"last_price": 9999999999.00000001}\n'
    )
    (row,) = rows_of(write(tmp_path, line, "ticks.ndjson"))
    assert isinstance(row, LocatedTick)
    assert row.tick.price_raw == 999_999_999_900_000_001


def test_a_rejects_file_of_csv_has_the_reason_in_front_of_the_line(tmp_path: Path) -> None:
    line = 'x,2013-10-07T08:00:30Z,"1,5",2,1,more'
    source = open_source(write(tmp_path, HEADER + line + "\n"), Reading())
    writer = open_rejects(tmp_path / "rejects.csv", [source])
    for row in source:
        writer.write(row)
    writer.close()
    assert (tmp_path / "rejects.csv").read_text() == (
        f'reason,{HEADER}"{tmp_path}/ticks.csv, line 2: 6 fields where the header has 5",{line}\n'
    )


def test_a_rejects_file_of_json_lines_has_the_reason_as_one_more_key(tmp_path: Path) -> None:
    lines = ['{"last_price": 1.50, "reason": "old"}', "{ }", "no json"]
    path = write(tmp_path, "\n".join(lines), "ticks.jsonl")
    source = open_source(path, Reading())
    writer = open_rejects(tmp_path / "rejects.jsonl", [source])
    for row in source:
        writer.write(row)
    writer.close()
    written = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert '"last_price": 1.50,' in written[0]
    first, second, third = (json.loads(line) for line in written)
    assert first == {
        "last_price": 1.5,
        "reason": f"{path}, line 1: instrument_token is absent",
    }
    assert second == {"reason": f"{path}, line 2: instrument_token is absent"}
    assert third["raw"] == "no json"
    assert third["reason"].startswith(f"{path}, line 3: no JSON")


def test_no_bad_row_leaves_no_rejects_file(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, HEADER + GOOD), Reading())
    open_rejects(tmp_path / "rejects.csv", [source]).close()
    assert not (tmp_path / "rejects.csv").exists()


def test_a_rejects_file_is_never_overwritten(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, HEADER), Reading())
    kept = write(tmp_path, "precious", "rejects.csv")
    with pytest.raises(ConfigurationError, match="exists; move it away"):
        open_rejects(kept, [source])
    assert kept.read_text() == "precious"


def test_a_rejects_file_must_be_named_as_what_it_holds(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, HEADER), Reading())
    with pytest.raises(ConfigurationError, match=r"would hold CSV rows; .* \.csv, \.csv\.gz$"):
        open_rejects(tmp_path / "rejects.txt", [source])
    with pytest.raises(ConfigurationError, match=r"the folder of .* does not exist"):
        open_rejects(tmp_path / "none" / "rejects.csv", [source])


def test_files_of_different_columns_cannot_share_a_rejects_file(tmp_path: Path) -> None:
    plain = open_source(write(tmp_path, HEADER), Reading())
    wide = open_source(write(tmp_path, HEADER.rstrip() + ",more\n", "wide.csv"), Reading())
    lines = open_source(write(tmp_path, "", "ticks.jsonl"), Reading())
    for others in ([wide], [lines]):
        with pytest.raises(ConfigurationError, match="differ in format or columns"):
            open_rejects(tmp_path / "rejects.csv", [plain, *others])
