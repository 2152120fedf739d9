"""Ticks a second of a replay, from a recording and from the topic, beside a backtest engine."""

import contextlib
import json
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from algo_panda.bootstrap.recording import open_recording
from benchmarks import work
from benchmarks.options import ROOT
from benchmarks.outcome import Outcome
from benchmarks.peer import peak_rss_mb
from benchmarks.programs import NAUTILUS, NAUTILUS_ORDERS, Child, Program
from benchmarks.session import Measure, Session, interleaved
from benchmarks.tables import Runs, Target, median, table
from benchmarks.ticks import spread, tokens

OURS = "ours, from a recording"
OURS_TOPIC = "ours, from the topic"
OURS_ORDERS = "ours, every signal traded"

_LEAST_SIGNALS, _LEAST_ORDERS, _LEAST_TOPIC = 2.0, 20.0, 0.5


class WrongReplayError(Exception):
    """Two programs do not agree on what the ticks say."""


def run(session: Session) -> Outcome:
    ticks = session.options.replay_ticks
    with session.scratch() as scratch:
        _prepare(session, scratch)
        runs = interleaved(session, session.options.runs, _measures(session, scratch))
    _agree(runs)
    rows = [
        (
            name,
            ticks / median(found, "run_s"),
            ticks / (median(found, "run_s") + median(found, "load_s")),
            median(found, "rss_mb"),
        )
        for name, found in runs.items()
    ]
    shown = table(
        f"Replay of {ticks:,} ticks of {session.options.instruments} instruments, medians of"
        f" {session.options.runs}",
        ("program", "ticks/s", "with loading", "peak MB"),
        rows,
    )
    return Outcome(
        tables=(shown,), targets=tuple(_targets(runs)), data={"ticks": ticks, "runs": runs}
    )


def _prepare(session: Session, scratch: Path) -> None:
    """The ticks as a topic, as a recording of it, and as plain rows; the strategies."""
    options, cluster = session.options, session.cluster
    session.say(f"filling the topic with {options.replay_ticks:,} ticks, and recording it")
    cluster.renew(ticks=True)
    cluster.fill(spread(session.trades, options.instruments, options.replay_ticks))
    with open_recording(cluster.settings(), scratch / "recording", follow=False) as recording:
        recording.run(stopped=lambda: False, on_progress=lambda _: None)
    flat = array("q")
    for row in spread(session.trades, options.instruments, options.replay_ticks):
        flat.extend(row)
    (scratch / "ticks.bin").write_bytes(flat.tobytes())
    for name, brokers in (("signals", []), ("orders", ["paper"])):
        strategy = {
            "strategy_type": "rules_rsi",
            "instruments": list(tokens(options.instruments)),
            "active_brokers": brokers,
            "parameters": {
                "period": work.PERIOD,
                "lower": work.LOWER,
                "upper": work.UPPER,
                "flat_rsi": work.FLAT_RSI,
            },
        }
        (scratch / f"{name}.yaml").write_text(json.dumps({"strategies": [strategy]}))


def _measures(session: Session, scratch: Path) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for program in (NAUTILUS, NAUTILUS_ORDERS):
        python = session.python_of(program) if session.options.wants(program.name) else None
        if python is not None:
            measures[program.name] = partial(_measure_peer, program, python, scratch)
    ours = {
        OURS: ("signals", scratch / "recording"),
        OURS_TOPIC: ("signals", None),
        OURS_ORDERS: ("orders", scratch / "recording"),
    }
    for name, (strategies, source) in ours.items():
        if session.options.wants(name):
            measures[name] = partial(_measure_ours, session, scratch, strategies, source)
    return measures


def _measure_peer(program: Program, python: Path, scratch: Path) -> dict[str, float]:
    variables = {
        "BENCH_TICKS_FILE": str(scratch / "ticks.bin"),
        "BENCH_VARIANT": program.variant,
    }
    child = Child(python, program.arguments, scratch, variables)
    try:
        found = child.result()
    finally:
        child.end()
    return {name: found[name] for name in ("run_s", "load_s", "rss_mb", "buys", "sells", "fills")}


def _measure_ours(
    session: Session, scratch: Path, strategies: str, source: Path | None
) -> dict[str, float]:
    """``panda replay`` as a person calls it; its time includes reading and the fingerprint."""
    sources = [] if source is None else [str(source)]
    settings = session.cluster.settings()
    printed = scratch / "said.json"  # a pipe would be full before anybody reads it
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "algo_panda", "replay", *sources, "--json"),
            *("--strategies", str(scratch / f"{strategies}.yaml")),
        ],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PANDA_")},
            "PYTHONPATH": str(ROOT),
            "PANDA_KAFKA_BOOTSTRAP_SERVERS": session.cluster.bootstrap_servers,
            "PANDA_TOPIC_PREFIX": settings.topic_prefix,
        },
        cwd=scratch,
        stdout=printed.open("wb"),
        stderr=subprocess.DEVNULL,
    )
    peak_mb = 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError):  # it has just ended
            peak_mb = max(peak_mb, peak_rss_mb(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise WrongReplayError(f"panda replay ended with {process.returncode}")
    found: Mapping[str, Any] = json.loads(printed.read_text())
    (said,) = found["strategies"]
    return {
        "run_s": found["seconds"],
        "load_s": 0.0,
        "rss_mb": peak_mb,
        "buys": said["signals"]["BUY"],
        "sells": said["signals"]["SELL"],
        "fills": said["fills"],
    }


def _agree(runs: Mapping[str, Runs]) -> None:
    said = {name: {(one["buys"], one["sells"]) for one in found} for name, found in runs.items()}
    if len(set().union(*said.values())) > 1:
        raise WrongReplayError(f"buys and sells differ: {said}")


def _targets(runs: Mapping[str, Runs]) -> list[Target]:
    compared = (
        (OURS, NAUTILUS.name, _LEAST_SIGNALS),
        (OURS_ORDERS, NAUTILUS_ORDERS.name, _LEAST_ORDERS),
        (OURS_TOPIC, OURS, _LEAST_TOPIC),
    )
    return [
        Target(
            what=f"ticks/s, {one} / {other}",
            measured=median(runs[other], "run_s") / median(runs[one], "run_s"),
            wanted=wanted,
            at_least=True,
        )
        for one, other, wanted in compared
        if one in runs and other in runs
    ]
