"""``panda replay`` on files, as a person calls it."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
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
  - id: 22222222-0000-0000-0000-000000000000
    strategy_type: rules_rsi
    instruments: [1001]
    parameters: {period: 5}
    active_brokers: []
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("PANDA_DATABASE_URL", raising=False)
    (tmp_path / "s.yaml").write_text(STRATEGIES)
    rows = [f"1001,2026-01-05T09:15:{n:02}Z,{100 + n}" for n in range(20)]
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


def test_a_file_of_ticks_is_replayed_through_a_file_of_strategies() -> None:
    found = facts("ticks.csv", "--strategies", "s.yaml")
    assert (found["outcome"], found["ticks"], found["instruments"]) == ("complete", 20, 1)
    first, second = found["strategies"]
    assert first["signals"] == {"BUY": 0, "SELL": 17, "HOLD": 0}  # a price that only rises
    # Each is filled at the next tick; behind the last one there is none.
    assert (first["orders"], first["fills"], first["positions"]) == (17, 16, {"1001": -16})
    assert found["open_orders"] == 1
    assert first["notional"] == str(sum(range(104, 120)))
    assert first["profit_before_fees"] == str(sum(range(104, 120)) - 16 * 119)
    assert (sum(second["signals"].values()), second["orders"]) == (15, 0)
    assert found["first_event_time"] == "2026-01-05T09:15:00Z"


def test_statistics_are_numbers_or_reasons() -> None:
    found = facts("ticks.csv", "--strategies", "s.yaml", "--capital", "5000.50")
    first, _ = found["strategies"]
    statistics = found["statistics"]
    assert (statistics["capital"], statistics["time_zone"], statistics["days"]) == (
        "5000.5",
        "UTC",
        1,
    )
    whole = statistics["all"]
    assert whole["net_profit"] == whole["gross_profit"] == first["profit_before_fees"]
    assert whole["total_return"] == pytest.approx(float(whole["net_profit"]) / 5000.5)
    assert (whole["sharpe_ratio"], whole["win_rate"], whole["fees"]) == (None, None, None)
    assert whole["reasons"]["sharpe_ratio"] == "1 daily return; needs 20"
    assert whole["reasons"]["win_rate"] == "0 trades; needs 30"
    assert whole["reasons"]["fees"] == "no fill says"
    assert (whole["realized_profit"], whole["unrealized_profit"]) == ("0", whole["net_profit"])
    assert whole["slippage"] == "-16"  # sold a tick later, each one a point higher
    assert whole.keys() == statistics["strategies"][first["id"]].keys()
    assert statistics["instruments"]["1001"] == whole


def test_people_are_told_why_there_is_no_number() -> None:
    shown = panda("ticks.csv", "--strategies", "s.yaml").stdout
    lines = {
        line.strip().partition("  ")[0]: line.rpartition("  ")[0] for line in shown.split("\n")
    }
    assert lines["total return"].endswith("-0.01 %")
    assert lines["Sharpe ratio"].endswith("none: 1 daily return; needs 20")
    assert lines["fees paid"].endswith("none: no fill says")
    assert "capital 1,000,000; 1 day with ticks (UTC)" in shown


def test_days_are_those_of_the_time_zone(folder: Path) -> None:
    more = "1001,2026-01-05T20:00:00Z,100\n"
    (folder / "ticks.csv").write_text((folder / "ticks.csv").read_text() + more)
    assert facts("ticks.csv", "--strategies", "s.yaml")["statistics"]["days"] == 1
    there = facts("ticks.csv", "--strategies", "s.yaml", "--timezone", "Asia/Kolkata")
    assert there["statistics"]["days"] == 2
    assert there["statistics"]["time_zone"] == "Asia/Kolkata"


def test_the_same_again_has_the_same_fingerprint() -> None:
    one, other = (facts("ticks.csv", "--strategies", "s.yaml")["fingerprint"] for _ in range(2))
    assert one == other


def test_parameters_can_be_set_for_one_run() -> None:
    found = facts("ticks.csv", "--strategies", "s.yaml", "--set", "period=10")
    assert [s["parameters"]["period"] for s in found["strategies"]] == [10, 10]
    assert [s["signals"]["SELL"] for s in found["strategies"]] == [10, 10]


def test_strategies_can_be_chosen() -> None:
    found = facts("ticks.csv", "--strategies", "s.yaml", "--strategy", "2222")
    assert [s["id"][:4] for s in found["strategies"]] == ["2222"]
    of_type = facts("ticks.csv", "--strategies", "s.yaml", "--strategy", "rules_rsi")
    assert [s["id"][:4] for s in of_type["strategies"]] == ["1111", "2222"]


def test_a_part_can_be_chosen_by_time_and_by_offset() -> None:
    chosen = ("ticks.csv", "--strategies", "s.yaml")
    part = ("--from", "2026-01-05T14:45:05", "--to", "2026-01-05T14:45:15")
    assert facts(*chosen, *part, "--timezone", "Asia/Kolkata")["ticks"] == 10
    assert facts(*chosen, "--from", "2026-01-05", "--to", "2026-01-05")["ticks"] == 20
    assert facts(*chosen, "--to", "2026-01-04")["ticks"] == 0
    assert facts(*chosen, "--offsets", "0:3-7")["ticks"] == 4


def test_instruments_without_ticks_are_named(folder: Path) -> None:
    more = (folder / "s.yaml").read_text().replace("[1001]", "[1001, 1002]")
    (folder / "s.yaml").write_text(more)
    assert facts("ticks.csv", "--strategies", "s.yaml")["instruments_without_ticks"] == [1002]
    shown = panda("ticks.csv", "--strategies", "s.yaml").stdout
    assert "no ticks of instruments that strategies are on: 1002\n" in shown


def test_ticks_can_come_as_fast_as_they_once_came() -> None:
    at_once = facts("ticks.csv", "--strategies", "s.yaml")
    paced = facts("ticks.csv", "--strategies", "s.yaml", "--speed", "100x")
    assert paced["fingerprint"] == at_once["fingerprint"]


def test_people_get_a_table_and_the_fingerprint() -> None:
    done = panda("ticks.csv", "--strategies", "s.yaml")
    assert done.exit_code == 0
    assert "complete: 20 ticks of 1 instrument from ticks.csv" in done.stdout
    assert "11111111" in done.stdout
    assert "fingerprint " in done.stdout


def test_what_was_said_can_be_kept(folder: Path) -> None:
    facts("ticks.csv", "--strategies", "s.yaml", "--output", "out")
    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["ticks"] == 20
    signals = pq.read_table(folder / "out" / "signals.parquet").to_pylist()
    orders = pq.read_table(folder / "out" / "orders.parquet").to_pylist()
    executions = pq.read_table(folder / "out" / "executions.parquet").to_pylist()
    assert (len(signals), len(orders), len(executions)) == (32, 17, 33)
    assert {order["signal_id"] for order in orders} <= {signal["signal_id"] for signal in signals}
    assert executions[1]["status"] == "FILLED"
    assert (orders[0]["reference_price"], executions[1]["last_price"]) == (103, 104)
    assert pq.read_table(folder / "out" / "rejections.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["no.csv", "--strategies", "s.yaml"], BadInputError, "no.csv"),
        (["ticks.csv", "--strategies", "no.yaml"], ConfigurationError, "no.yaml"),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--strategy", "33"],
            ConfigurationError,
            "there are 11111111 (rules_rsi), 22222222 (rules_rsi)",
        ),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--set", "periods=3"],
            ConfigurationError,
            "strategy 11111111 (rules_rsi): unknown parameter 'periods'",
        ),
        ([".", "--strategies", "s.yaml"], BadInputError, "is no recording"),
        ([".", "ticks.csv", "--strategies", "s.yaml"], ConfigurationError, "one recording"),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--capital", "0"],
            ConfigurationError,
            "more than 0",
        ),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--capital", "much"],
            ConfigurationError,
            "2500.50",
        ),
        (["ticks.csv", "--strategies", "s.yaml", "--from", "soon"], ConfigurationError, "--from"),
        (["ticks.csv", "--strategies", "s.yaml", "--speed", "0x"], ConfigurationError, "--speed"),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--from", "2026-01-06", "--to", "2026-01-05"],
            ConfigurationError,
            "is not before",
        ),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--offsets", "0"],
            ConfigurationError,
            "write it as 0:1000-2000",
        ),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--offsets", "5:0-1"],
            ConfigurationError,
            "no partition 5",
        ),
        (
            ["ticks.csv", "--strategies", "s.yaml", "--output", "."],
            ConfigurationError,
            "name a new folder",
        ),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    arguments: list[str], kind: type[Exception], said: str
) -> None:
    done = panda(*arguments)
    assert isinstance(done.exception, kind), done.exception
    assert said in str(done.exception)


def test_a_bad_row_is_named_and_nothing_behind_it_is_replayed(folder: Path) -> None:
    lines = (folder / "ticks.csv").read_text().splitlines()
    lines[5] = "1001,2026-01-05T09:15:04Z,dear"
    (folder / "ticks.csv").write_text("\n".join(lines))
    done = panda("ticks.csv", "--strategies", "s.yaml")
    assert isinstance(done.exception, BadInputError)
    assert "ticks.csv, line 6: last_price 'dear'" in str(done.exception)


def test_what_failed_leaves_the_output_folder_to_the_next_try(folder: Path) -> None:
    good = (folder / "ticks.csv").read_text()
    (folder / "ticks.csv").write_text(good + "1001,2026-01-05T09:16:00Z,dear\n")
    arguments = ("ticks.csv", "--strategies", "s.yaml", "--output", "out")
    assert isinstance(panda(*arguments).exception, BadInputError)
    assert list((folder / "out").iterdir()) == []
    (folder / "ticks.csv").write_text(good)
    assert facts(*arguments)["ticks"] == 20


def test_names_are_printed_as_they_are(folder: Path) -> None:
    (folder / "ticks.csv").rename(folder / "a[old]b.csv")
    assert "from a[old]b.csv in" in panda("a[old]b.csv", "--strategies", "s.yaml").stdout


def test_assignments_are_key_and_value() -> None:
    done = panda("ticks.csv", "--strategies", "s.yaml", "--set", "period")
    assert done.exit_code == 2
    assert "--set" in done.output


def test_a_comparison_with_live_signals_takes_one_process() -> None:
    done = panda("--verify-live", "--jobs", "2")
    assert isinstance(done.exception, ConfigurationError)
    assert "--jobs does not go with --verify-live" in str(done.exception)


def test_processes_leave_no_mark_on_what_is_said() -> None:
    one, two = (facts("ticks.csv", "--strategies", "s.yaml", "--jobs", n) for n in ("1", "2"))
    for found in (one, two):
        del found["seconds"], found["ticks_per_second"]
    assert one == two
