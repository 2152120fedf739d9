"""From produce to the signal in a consumer's hands, at a modest rate."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.loaded import load, ready_file
from benchmarks.ours import rsi_strategy, running_workers, store_strategies, wait_until
from benchmarks.outcome import Outcome
from benchmarks.parts.throughput import WrongSignalsError, peer_variables
from benchmarks.programs import RAW, Child
from benchmarks.reference import expected_signals, first_difference, sent_signals
from benchmarks.session import Measure, Session, interleaved
from benchmarks.tables import Target, median, table

_OURS = "ours"
_WARM_SECONDS = 3.0
_ROUNDS_THAT_DO_NOT_COUNT = 2
_SHOWN = ("p50_ms", "p99_ms", "p999_ms", "max_ms", "measured", "late_p99_ms")


def run(session: Session) -> Outcome:
    options = session.options
    python = session.python_of(RAW)
    measures: dict[str, Measure] = {_OURS: partial(_measure, session, None)}
    if python is not None:
        measures[RAW.name] = partial(_measure, session, python)
    session.say("  first rounds that do not count, until the broker's JVM has compiled itself")
    interleaved(session, _ROUNDS_THAT_DO_NOT_COUNT, measures)
    runs = interleaved(session, options.runs, measures)
    shown = table(
        f"Produce to signal received, ms, at {options.latency_rate:,} ticks/s for"
        f" {options.latency_seconds:.0f} s, medians of {options.runs}",
        ("program", "p50", "p99", "p99.9", "max", "signals", "load late p99"),
        [(name, *(median(found, key) for key in _SHOWN)) for name, found in runs.items()],
    )
    targets = [
        Target(
            what=f"{key.removesuffix('_ms')}, ours / {RAW.name}",
            measured=median(runs[_OURS], key) / median(runs[RAW.name], key),
            wanted=1.0,
            at_least=False,
        )
        for key in ("p50_ms", "p99_ms")
        if {_OURS, RAW.name} <= runs.keys()
    ]
    return Outcome(tables=(shown,), targets=tuple(targets), data={"runs": runs})


def _measure(session: Session, python: Path | None) -> dict[str, float]:
    """Ours, where ``python`` is None; else the raw loop."""
    cluster, options = session.cluster, session.options
    cluster.renew(ticks=True)
    store_strategies(cluster, [rsi_strategy(options.instruments)])
    with session.scratch() as scratch:
        listening, done = scratch / "listening", scratch / "done"
        variables = _variables(session, scratch)
        command = ("-m", "benchmarks.sink", str(listening), str(done))
        sink = Child(Path(sys.executable), command, scratch, variables)
        try:
            wait_until("the sink", listening.exists, ())
            with (
                load(
                    session,
                    scratch,
                    instruments=options.instruments,
                    rate=options.latency_rate,
                    warm=_WARM_SECONDS,
                    seconds=options.latency_seconds,
                ) as pouring,
                _program(session, python, scratch, variables),
            ):
                offered = pouring.result()
                done.touch()
                received = sink.result()
        finally:
            sink.end()
    _check(session)
    return {**received, "late_p99_ms": offered["late_p99_ms"], "rate": offered["rate"]}


@contextmanager
def _program(
    session: Session, python: Path | None, scratch: Path, variables: dict[str, str]
) -> Iterator[None]:
    """What is measured, from before the first tick on."""
    if python is None:
        with running_workers(session.cluster, scratch) as workers:
            wait_until("a first tick", workers[0].mark, workers)
            ready_file(scratch).touch()
            yield
        return
    child = Child(python, RAW.arguments, scratch, variables)
    try:
        yield
    finally:
        child.end()


def _variables(session: Session, scratch: Path) -> dict[str, str]:
    options = session.options
    ticks = options.instruments + sum(
        int(options.latency_rate * seconds) for seconds in (_WARM_SECONDS, options.latency_seconds)
    )
    return {
        **peer_variables(session, RAW, scratch, ticks=ticks),
        "BENCH_KIND": "latency",
        "BENCH_READY": str(ready_file(scratch)),
    }


def _check(session: Session) -> None:
    if not sent_signals(session.cluster).same_as(expected_signals(session.cluster)):
        raise WrongSignalsError(first_difference(session.cluster))
