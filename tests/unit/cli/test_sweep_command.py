"""``panda replay --sweep`` on files, as a person calls it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from algo_panda.cli.main import app
from algo_panda.domain.errors import BadInputError, ConfigurationError

STRATEGIES = """\
strategies:
  - id: 11111111-0000-0000-0000-000000000000
    strategy_type: rules_rsi
    instruments: [1001]
    parameters: {period: 3}
"""
CHOSEN = ("ticks.csv", "--strategies", "s.yaml")
SWEPT = (*CHOSEN, "--sweep", "period=2..4", "--sweep", "lower=30,40,90")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("PANDA_DATABASE_URL", raising=False)
    (tmp_path / "s.yaml").write_text(STRATEGIES)
    rows = [
        f"1001,2026-01-05T09:{n // 60:02}:{n % 60:02}Z,{100 + (n * n) % 17}" for n in range(200)
    ]
    lines = ["instrument_token,event_time,last_price", *rows]
    (tmp_path / "ticks.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def panda(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", *arguments])


def facts(*arguments: str) -> dict[str, Any]:
    done = panda(*arguments, "--json")
    assert done.exit_code == 0, done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_run_is_that_of_the_same_parameters_alone(folder: Path) -> None:
    swept = facts(*SWEPT, "--jobs", "2", "--set", "upper=60")
    assert (swept["outcome"], swept["runs_made"], swept["runs_failed"]) == ("complete", 9, 3)
    ranked = [row for row in swept["runs"] if row["rank"] is not None]
    assert [row["rank"] for row in ranked] == [1, 2, 3, 4, 5, 6]
    profits = [float(row["metrics"]["net_profit"]) for row in ranked]
    assert profits == sorted(profits, reverse=True)
    assert len({row["fingerprint"]["whole"] for row in ranked}) == 6
    for row in ranked:
        parameters = {**row["parameters"], "upper": 60}
        alone = facts(*CHOSEN, *(f"--set={key}={value}" for key, value in parameters.items()))
        assert row["fingerprint"] == alone["fingerprint"]
        assert row["metrics"]["net_profit"] == alone["statistics"]["all"]["net_profit"]
    assert not list(folder.glob("panda-sweep-*"))


def test_one_process_or_two_write_the_same_to_the_byte(folder: Path) -> None:
    for jobs in "12":
        for name, options in (("all", ()), ("walk", ("--walk-forward", "2"))):
            assert panda(*SWEPT, *options, "--jobs", jobs, "--output", name + jobs).exit_code == 0
    for name in ("all", "walk"):
        for file in ("sweep.json", "sweep.csv"):
            one, two = ((folder / (name + jobs) / file).read_bytes() for jobs in "12")
            assert one == two != b""


def test_what_a_strategy_refuses_is_named_and_the_others_are_ranked() -> None:
    done = panda(*SWEPT)
    assert done.exit_code == 0, done.exception
    assert "complete: 9 runs on 200 ticks from ticks.csv in" in done.stdout
    assert done.stdout.count("parameter lower is 90, above upper, 70") == 3
    assert "All runs were ranked on the ticks that they were made on" in done.stdout


def test_in_and_out_of_sample_are_those_of_the_two_spans_alone() -> None:
    swept = facts(*CHOSEN, "--sweep", "period=2,3", "--in-sample", "0.75")
    (window,) = swept["windows"]
    rows = {(row["part"], row["combination"]): row for row in swept["runs"]}
    assert sorted(rows) == [
        ("in_sample", 1),
        ("in_sample", 2),
        ("out_of_sample", 1),
        ("out_of_sample", 2),
    ]
    for (part, number), row in rows.items():
        span = window[part]
        chosen = ("--from", span["from"], "--to", span["to"], "--set", f"period={number + 1}")
        assert facts(*CHOSEN, *chosen)["fingerprint"] == row["fingerprint"]
        assert row["ticks"] == {"in_sample": 150, "out_of_sample": 50}[part]
    shown = panda(*CHOSEN, "--sweep", "period=2,3", "--in-sample", "0.75").stdout
    assert "net_profit in-sample" in shown
    assert "net_profit out-of-sample" in shown
    assert "partly luck" in shown


def test_a_walk_forward_shows_what_was_chosen_and_what_came_of_it(folder: Path) -> None:
    options = (*CHOSEN, "--sweep", "period=2..5", "--walk-forward", "3")
    swept = facts(*options, "--rank-by", "fills", "--output", "out")
    assert (swept["walk_forward"], swept["in_sample"], swept["runs_made"]) == (3, 0.7, 15)
    judged = [row for row in swept["runs"] if row["part"] == "out_of_sample"]
    for window, row in zip(swept["windows"], judged, strict=True):
        best = next(
            one
            for one in swept["runs"]
            if one["part"] == "in_sample" and one["window"] == window["window"]
        )
        assert best["rank"] == 1
        assert best["combination"] == row["combination"] == window["chosen"]["combination"]
    assert swept["out_of_sample"]["fills"] == sum(row["metrics"]["fills"] for row in judged)
    rows = list(csv.DictReader((folder / "out" / "sweep.csv").open(encoding="utf-8")))
    assert [row["fingerprint"] for row in rows] == [
        row["fingerprint"]["whole"] for row in swept["runs"]
    ]
    assert rows[0]["fills"] == str(swept["runs"][0]["metrics"]["fills"])
    written = json.loads((folder / "out" / "sweep.json").read_text())
    assert written == {key: swept[key] for key in swept if key not in {"jobs", "seconds"}}
    assert "out-of-sample, all windows together: net_profit" in panda(*options).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--walk-forward", "2"], "--walk-forward is for sweeps"),
        (["--rank-by", "fills"], "--rank-by is for sweeps"),
        (["--sweep", "period"], "--sweep period: write it as"),
        (["--sweep", "period=2", "--speed", "1x"], "--speed is for single runs"),
        (["--sweep", "period=2", "--set", "period=3"], "named by --set and by --sweep"),
        (["--sweep", "period=2", "--sweep", "period=3"], "names period more than once"),
        (["--sweep", "period=1..200", "--sweep", "lower=1..100"], "at most 10,000 runs"),
        (["--sweep", "periods=2,3"], "no combination of --sweep can be run: "),
        (["--sweep", "period=2", "--rank-by", "luck"], "choose one of net_profit, "),
        (["--sweep", "period=2", "--in-sample", "1"], "--in-sample 1: write a share"),
        (["--sweep", "period=2", "--walk-forward", "500"], "200 ticks are too few to cut into 500"),
        (["--sweep", "period=2", "--output", "."], "name a new folder"),
    ],
)
def test_what_cannot_be_swept_is_one_clear_line(
    arguments: list[str], said: str, folder: Path
) -> None:
    done = panda(*CHOSEN, *arguments)
    assert isinstance(done.exception, ConfigurationError), done.exception
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not list(folder.glob("panda-sweep-*"))


def test_a_bad_row_ends_the_sweep_before_any_run(folder: Path) -> None:
    good = (folder / "ticks.csv").read_text()
    (folder / "ticks.csv").write_text(good + "1001,2026-01-05T09:16:00Z,dear\n")
    done = panda(*SWEPT)
    assert isinstance(done.exception, BadInputError)
    assert "line 202: last_price 'dear'" in str(done.exception)
    assert not list(folder.glob("panda-sweep-*"))
