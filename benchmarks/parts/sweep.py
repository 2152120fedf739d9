"""A sweep of 64 runs, in one process and in two: how much faster, and in how much memory."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from algo_panda.bootstrap.recording import open_recording
from benchmarks.options import ROOT
from benchmarks.outcome import Outcome
from benchmarks.session import Measure, Session, interleaved
from benchmarks.tables import Target, median, table
from benchmarks.ticks import spread, tokens

_SWEEP = ("--sweep", "period=7..28:3", "--sweep", "lower=16..30:2")
_RUNS = 64
_LEAST_RATIO = 1.8
_MB = 1_000_000
_LOOK_SECONDS = 1.0
"""Between two looks at the memory: each goes through all pages of three processes, 9 ms of the two
cores that the sweep is to have. Ten a second cost a sweep on both of them half a second of 15.
"""


class WrongSweepError(Exception):
    """A sweep did not make all its runs, or others than before."""


def run(session: Session) -> Outcome:
    ticks = session.options.sweep_ticks
    said: list[Mapping[str, Any]] = []
    with session.scratch() as scratch:
        _prepare(session, scratch)
        measures: dict[str, Measure] = {
            f"{jobs} at a time": partial(_measure, session, scratch, jobs, said) for jobs in (1, 2)
        }
        runs = interleaved(session, session.options.runs, measures)
    one, two = (median(found, "seconds") for found in runs.values())
    rows = [
        (name, median(found, "seconds"), _RUNS * ticks / median(found, "seconds"), peak)
        for name, found in runs.items()
        for peak in [median(found, "pss_mb")]
    ]
    shown = table(
        f"A sweep of {_RUNS} runs on {ticks:,} ticks of {session.options.instruments} instruments,"
        f" medians of {session.options.runs}",
        ("processes", "seconds", "ticks/s", "peak MB of all"),
        rows,
    )
    target = Target(
        what="a sweep's speed, 2 processes / 1",
        measured=one / two,
        wanted=_LEAST_RATIO,
        at_least=True,
    )
    return Outcome(tables=(shown,), targets=(target,), data={"ticks": ticks, "runs": runs})


def _prepare(session: Session, scratch: Path) -> None:
    options, cluster = session.options, session.cluster
    session.say(f"filling the topic with {options.sweep_ticks:,} ticks, and recording it")
    cluster.renew(ticks=True)
    cluster.fill(spread(session.trades, options.instruments, options.sweep_ticks))
    with open_recording(cluster.settings(), scratch / "recording", follow=False) as recording:
        recording.run(stopped=lambda: False, on_progress=lambda _: None)
    strategy = {
        "strategy_type": "rules_rsi",
        "instruments": list(tokens(options.instruments)),
        "parameters": {"trigger": "cross"},
    }
    (scratch / "strategies.yaml").write_text(json.dumps({"strategies": [strategy]}))


def _measure(
    session: Session, scratch: Path, jobs: int, said: list[Mapping[str, Any]]
) -> dict[str, float]:
    """``panda replay --sweep`` as a person calls it, from its start to its end."""
    started = time.monotonic()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "algo_panda", "replay", "recording", "--json"),
            *("--strategies", "strategies.yaml", "--jobs", str(jobs), *_SWEEP),
        ],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PANDA_")},
            "PYTHONPATH": str(ROOT),
            "PANDA_TOPIC_PREFIX": session.cluster.settings().topic_prefix,
        },
        cwd=scratch,
        stdout=(scratch / "said.json").open("wb"),
        stderr=subprocess.DEVNULL,
    )
    peak_mb = 0.0
    while process.poll() is None:
        peak_mb = max(peak_mb, _pss_mb(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
    seconds = time.monotonic() - started
    if process.returncode:
        raise WrongSweepError(f"panda replay ended with {process.returncode}")
    found: dict[str, Any] = json.loads((scratch / "said.json").read_text())
    del found["jobs"], found["seconds"]
    said.append(found)
    if found["runs_made"] != _RUNS or found != said[0]:
        raise WrongSweepError("it did not make the runs that it made before")
    return {"seconds": seconds, "pss_mb": peak_mb}


def _pss_mb(pid: int) -> float:
    """The memory of a process and of those that it began; what they share counts once."""
    found = 0
    with contextlib.suppress(psutil.Error):  # some end meanwhile
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            found += one.memory_full_info().pss
    return found / _MB
