"""Sweeps in real processes that are interrupted, or killed, or whose strategies kill theirs."""

import json
import os
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.processes import eventually, in_session, replaying

STRATEGIES = """\
strategies:
  - strategy_type: odd
    instruments: [1001]
    parameters: {does: nothing}
"""
ODD = """\
import os, time

class Odd:
    def __init__(self, does):
        self.does = does

    def process_tick(self, tick, history, /):
        if self.does == "die":
            os._exit(9)
        if self.does == "hang":
            while True:
                time.sleep(60)
        if str(self.does).startswith("wait"):
            time.sleep(0.001)
        return None

def create_processor(config, context):
    if config.processor_parameters["does"] == "refuse":
        raise ValueError("it does not want to")
    return Odd(config.processor_parameters["does"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(STRATEGIES)
    (tmp_path / "odd_strategy.py").write_text(ODD)
    rows = [
        f"1001,2026-01-05T{9 + n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z,{100 + n % 7}"
        for n in range(2_000)
    ]
    lines = ["instrument_token,event_time,last_price", *rows]
    (tmp_path / "ticks.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def sweeping(folder: Path, *options: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return replaying(
        folder,
        *("ticks.csv", "--strategies", "s.yaml", "--jobs", "2", "--output", "out", *options),
        PANDA_PROCESSORS='{"odd": "odd_strategy.create_processor"}',
        TMPDIR=str(folder / "tmp"),
    )


def workers_work(process: subprocess.Popen[str]) -> bool:
    """Whether the processes have begun with runs: both have read strategies and are at ticks."""
    busy = [one for one in in_session(process.pid) if one.pid != process.pid]
    return len(busy) >= 2 and all(one.cpu_times().user > 0.3 for one in busy[-2:])


def mapped(folder: Path) -> list[Path]:
    return list((folder / "tmp").glob("panda-sweep-*"))


@pytest.mark.parametrize("to_all", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_whole_report_that_says_it_is_partial(
    folder: Path, number: signal.Signals, to_all: bool
) -> None:
    values = ",".join(["nothing", "refuse", *(f"wait{n}" for n in range(30))])
    with sweeping(folder, "--sweep", f"does={values}") as process:
        assert process.stderr is not None
        assert "of 32 runs" in (said := process.stderr.readline()), said
        assert mapped(folder)
        if to_all:  # as a terminal does
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 128 + number, stderr
        assert "Traceback" not in stderr
        assert eventually(lambda: in_session(process.pid) == [], 10)
    found = json.loads(stdout)
    assert (found["outcome"], found["runs_planned"], found["runs_failed"]) == ("partial", 32, 1)
    assert 2 <= found["runs_made"] == len(found["runs"]) < 32
    written = json.loads((folder / "out" / "sweep.json").read_text())
    assert written == {key: found[key] for key in written}
    assert list((folder / "tmp").iterdir()) == []


def test_a_strategy_that_hangs_does_not_keep_anyone_from_stopping(folder: Path) -> None:
    values = ",".join(["nothing", "hang", *(f"wait{n}" for n in range(30))])
    with sweeping(folder, "--sweep", f"does={values}") as process:
        assert process.stderr is not None
        assert "of 32 runs" in (said := process.stderr.readline()), said
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        assert eventually(lambda: in_session(process.pid) == [], 10)
    assert json.loads(stdout)["outcome"] == "partial"
    assert list((folder / "tmp").iterdir()) == []


def test_nothing_is_left_where_the_command_itself_is_killed(folder: Path) -> None:
    with sweeping(folder, "--sweep", "does=wait,hang") as process:
        assert eventually(lambda: workers_work(process))
        assert mapped(folder)
        process.kill()
        assert eventually(lambda: in_session(process.pid) == [])
    assert eventually(lambda: list((folder / "tmp").iterdir()) == [])


def test_a_process_that_dies_takes_only_its_own_run_with_it(folder: Path) -> None:
    with sweeping(folder, "--sweep", "does=nothing,die,wait,some,other,more") as process:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    found = json.loads(stdout)
    assert (found["outcome"], found["runs_made"], found["runs_failed"]) == ("complete", 6, 1)
    (failed,) = [row for row in found["runs"] if row["error"]]
    assert failed["parameters"] == {"does": "die"}
    assert failed["error"] == "its process ended before the run did, also when it ran alone"


def test_processes_that_all_die_end_the_sweep_with_one_line(folder: Path) -> None:
    with sweeping(folder, "--sweep", "does=die", "--sweep", "unused=1..9") as process:
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (1, "")
    assert "error: worker processes end before they have done anything" in stderr
    assert list((folder / "tmp").iterdir()) == []
