"""``panda replay compare``."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.domain.errors import BadInputError

RUN: dict[str, Any] = {
    "source": "ticks.csv",
    "outcome": "complete",
    "ticks": 20,
    "strategies": [
        {"id": "34352676-f72e-5ca3-8b5f-f348532732d0", "orders": 3, "parameters": {"period": 14}}
    ],
    "statistics": {"all": {"net_profit": "1.5", "sharpe_ratio": None}},
    "fingerprint": {"algorithm": "blake3", "ticks": "a" * 64, "configuration": "b" * 64}
    | {"signals": "c" * 64, "fills": "d" * 64},
    "seconds": 1.0,
    "ticks_per_second": 20,
}


def write(folder: Path, **changes: Any) -> str:
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps({**RUN, **changes}))
    return str(folder)


def compare(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["replay", "compare", *arguments])


def test_what_differs_is_marked_and_the_rest_is_not(tmp_path: Path) -> None:
    strategies = [{**RUN["strategies"][0], "orders": 4, "parameters": {"period": 21, "lower": 20}}]
    other = {
        **RUN["fingerprint"],
        "configuration": "e" * 64,
        "signals": "f" * 64,
        "fills": "0" * 64,
    }
    one = write(tmp_path / "one")
    two = write(tmp_path / "two", strategies=strategies, fingerprint=other, seconds=9.0)
    lines = compare(one, two).stdout.splitlines()
    marked = [line.split()[1:] for line in lines if line.lstrip().startswith("≠")]
    assert marked == [
        ["fingerprint.configuration", "b" * 16, "e" * 16],
        ["fingerprint.signals", "c" * 16, "f" * 16],
        ["fingerprint.fills", "d" * 16, "0" * 16],
        ["strategies.34352676.orders", "3", "4"],
        ["strategies.34352676.parameters.period", "14", "21"],
        ["strategies.34352676.parameters.lower", "-", "20"],
    ]
    assert any(line.split() == ["net_profit", "1.5", "1.5"] for line in lines)
    assert lines[-1] == "the same ticks led to other signals"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"seconds": 7.0, "ticks_per_second": 1}, "the same run: all facts are equal"),
        ({"source": "recording"}, "the same ticks led to the same signals and fills"),
        (
            {"fingerprint": {**RUN["fingerprint"], "fills": "0" * 64}},
            "the same ticks led to the same signals, and these to other fills",
        ),
        ({"fingerprint": {**RUN["fingerprint"], "ticks": "0" * 64}}, "they are of different ticks"),
        (
            {
                "fingerprint": dict.fromkeys(
                    ("ticks", "configuration", "signals", "fills"), "0" * 64
                )
            },
            "their fingerprints are hashes of two kinds: replay the older one anew to compare it",
        ),
    ],
)
def test_the_last_line_says_how_far_they_are_the_same(
    tmp_path: Path, changes: dict[str, Any], verdict: str
) -> None:
    shown = compare(write(tmp_path / "one"), write(tmp_path / "two", **changes))
    assert shown.stdout.splitlines()[-1] == verdict


def test_json_has_every_fact_of_both_and_those_that_differ(tmp_path: Path) -> None:
    found = json.loads(
        compare(write(tmp_path / "one"), write(tmp_path / "two", ticks=21), "--json").stdout
    )
    assert found["differences"] == {"ticks": [20, 21]}
    assert [run["ticks"] for run in found["runs"]] == [20, 21]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("report.json", None, "name a folder that 'panda replay --output' wrote"),
        ("report.json", "{", "is no report of a replay"),
        ("report.json", "[]", "is no report"),
    ],
)
def test_what_is_no_report_is_named(
    tmp_path: Path, name: str, text: str | None, reason: str
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    if text is not None:
        (folder / name).write_text(text)
    done = compare(write(tmp_path / "one"), str(folder))
    assert isinstance(done.exception, BadInputError)
    assert reason in str(done.exception)
    assert str(folder / name) in str(done.exception)
