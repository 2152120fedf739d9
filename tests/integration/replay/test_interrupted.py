"""Ctrl-C ends a replay with what there is, in a real process."""

import json
import signal
from pathlib import Path

import pyarrow.parquet as pq

from tests.support.processes import replaying

STRATEGIES = """\
strategies:
  - strategy_type: rules_rsi
    instruments: [1001]
    parameters: {period: 3}
"""


def test_ctrl_c_leaves_a_whole_report_that_says_it_is_partial(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(STRATEGIES)
    rows = [f"1001,2026-01-05T09:{n // 60:02}:{n % 60:02}Z,{100 + n}" for n in range(3_000)]
    lines = ["instrument_token,event_time,last_price", *rows]
    (tmp_path / "ticks.csv").write_text("\n".join(lines) + "\n")
    arguments = ["ticks.csv", "--strategies", "s.yaml", "--output", "out", "--speed", "10x"]
    with replaying(tmp_path, *arguments) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert "ticks, " in first, first
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    said = json.loads(stdout)
    assert said["outcome"] == "partial"
    assert 0 < said["ticks"] < 3_000
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == said
    signals = pq.read_table(tmp_path / "out" / "signals.parquet").num_rows
    assert signals == sum(said["strategies"][0]["signals"].values()) > 0
