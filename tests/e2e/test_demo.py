"""``panda demo``: on its own, from nothing, to its end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


def demo(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PANDA_")}
    return subprocess.run(
        [sys.executable, "-m", "algo_panda", "demo", *args],
        env={**environment, "PANDA_DATA_DIR": str(folder / "data"), "TMPDIR": str(folder)},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_it_publishes_runs_everything_and_sums_up(tmp_path: Path) -> None:
    ended = demo(tmp_path, "--json", "--count", "6000", "--rate", "3000")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)
    assert summary["ticks_published"] == summary["ticks_processed"] == 6_000
    signals = summary["signals"]
    assert set(signals) == {"rules_rsi", "ml_momentum", "hybrid_ml_rsi_filter"}
    assert summary["orders"] == sum(signals.values()) > 0
    assert summary["orders"] == summary["fills"] + summary["open_orders"]
    assert summary["open_orders"] < 0.01 * summary["orders"]
    assert summary["rejections"] == summary["dead_letters"] == 0
    assert summary["seconds"] > 1
    lines = ended.stderr.splitlines()
    assert lines[0].split()[1:] == ["s", "loading"]
    header = next(line for line in lines if "published processed" in line)
    *_, last = (line for line in lines if "stopping" not in line)
    assert last.split()[2:5] == ["6,000", "6,000", f"{sum(signals.values()):,}"]
    assert {len(line) for line in lines[lines.index(header) : -1]} == {len(header)}
    assert max(map(len, lines)) <= 80
    assert list(tmp_path.glob("panda-demo-*")) == []
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert [command for command in running if str(tmp_path) in " ".join(command)] == []


def test_a_file_with_a_bad_row_is_refused_with_its_line(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.csv"
    ticks.write_text(
        "instrument_token,event_time,last_price\n"
        "1001,2026-01-05T09:15:00Z,100.5\n"
        "1001,2026-01-05T09:15:01Z,-3\n"
    )
    ended = demo(tmp_path, "--ticks", str(ticks))
    assert ended.returncode == 6
    assert "ticks.csv" in ended.stderr
    assert "line 3" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_however_it_ends(tmp_path: Path, number: int) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PANDA_")}
    running = subprocess.Popen(
        [sys.executable, "-m", "algo_panda", "demo"],
        env={**environment, "PANDA_DATA_DIR": str(tmp_path / "data"), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "published processed" in line:
            break
    started = psutil.Process(running.pid).children(recursive=True)
    assert len(started) >= 4  # a broker and three workers
    running.send_signal(number)
    running.stderr.read()
    assert running.wait(60) in (128 + number, -number)
    _, alive = psutil.wait_procs(started, timeout=60)
    assert alive == []
