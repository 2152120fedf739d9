"""``panda train`` as a person meets it."""

import csv
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from algo_panda.cli import main as command_line
from algo_panda.ml.direction import DirectionModel


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def panda(monkeypatch, capsys):
    """Runs a command line as ``panda`` does; gives exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["panda", *arguments])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def tick_file(tmp_path):
    """Trades of one instrument, the price in a column of another name."""
    path = tmp_path / "trades.csv"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["instrument_token", "event_time", "paid", "last_traded_quantity"])
        for i in range(2500):
            price = 100 + (i * 37 % 101) / 100 + (i // 50 % 3)
            at = (start + timedelta(seconds=i)).isoformat()
            writer.writerow([7, at, f"{price:.2f}", 1 + i % 9])
    return path


def test_it_makes_a_model_that_loads_and_says_how_good_it_is(panda, tmp_path):
    output = tmp_path / "mine.onnx"
    code, out, err = panda("train", "--synthetic", "6000", "--output", str(output))
    assert (code, err.split(";")[0]) == (0, f"wrote {output}")
    assert DirectionModel(output).load()
    assert "baseline" in out
    assert names(tmp_path) == ["mine.onnx"]


def test_its_json_is_one_object_on_stdout(panda, tmp_path, tick_file):
    output = tmp_path / "mine.onnx"
    code, out, _ = panda(
        "train", str(tick_file), "--column", "last_price=paid", "-o", str(output), "--json"
    )
    assert code == 0
    facts = json.loads(out)
    model = DirectionModel(output)
    model.load()
    assert facts["sha256"] == model.digest
    assert facts["path"] == str(output)
    assert facts["training_start"].startswith("2024-01-01T00:01:40")
    assert facts["held_out_rows"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 3, "train from tick files, or --topic, or --synthetic: one of them"),
        (["--topic", "--synthetic", "9"], 3, "one of them"),
        (["none.csv"], 6, "none.csv cannot be read"),
        (["--synthetic", "50"], 6, "the ticks give 0 samples"),
        (["x.csv", "--column", "last_price"], 3, "--column last_price: write it as FIELD=NAME"),
        (["--synthetic", "50", "--horizon", "0"], 3, "the horizon is 0 ticks, below 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(panda, tmp_path, arguments, code, message):
    given, out, err = panda("train", *arguments, "-o", str(tmp_path / "m.onnx"))
    assert (given, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
    assert names(tmp_path) == []


def test_a_bad_row_is_reported_with_its_line(panda, tmp_path, tick_file):
    lines = tick_file.read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[2], "-3")
    tick_file.write_text("\n".join(lines))
    output = tmp_path / "m.onnx"
    code, _, err = panda("train", str(tick_file), "--column", "last_price=paid", "-o", str(output))
    assert code == 6
    assert "trades.csv, line 6" in err
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_named_and_leaves_nothing(panda, tmp_path):
    (tmp_path / "taken").mkdir()
    code, _, err = panda("train", "--synthetic", "6000", "-o", str(tmp_path / "taken"))
    assert code == 3
    assert "taken cannot be written" in err
    assert names(tmp_path) == ["taken"]
    code, _, err = panda("train", "--synthetic", "6000", "-o", str(tmp_path / "no" / "m.onnx"))
    assert code == 3
    assert "m.onnx does not exist" in err
