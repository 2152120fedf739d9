"""Ticks a second through Kafka: the topic is full, one worker, everything on."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

from benchmarks.options import Options
from benchmarks.ours import (
    NEVER,
    Worker,
    WorkerFailedError,
    rsi_strategy,
    running_workers,
    store_strategies,
    wait_until,
)
from benchmarks.outcome import Outcome
from benchmarks.programs import BYTEWAX, FAUST, PROGRAMS, QUIX, QUIX_STATE, RAW, Child, Program
from benchmarks.reference import Signals, expected_signals, first_difference, sent_signals
from benchmarks.session import Measure, Session, interleaved
from benchmarks.tables import Runs, Target, highest, lowest, median, table
from benchmarks.ticks import spread

OURS = "ours"
EXACTLY_ONCE = "ours, exactly once"
NO_CHECKPOINTS = "ours, no checkpoints"

_WANTED: Mapping[str, float] = {
    RAW.name: 1.0,
    QUIX.name: 2.5,
    QUIX_STATE.name: 4.0,
    BYTEWAX.name: 1.5,
    FAUST.name: 20.0,
}
_MOST_FOR_CHECKPOINTS = 10.0


class WrongSignalsError(Exception):
    """What was sent is not what the ticks cause."""


def run(session: Session) -> Outcome:
    options = session.options
    expected = prepare(session, options)
    runs = interleaved(session, options.runs, _measures(session, expected))
    ticks = options.ticks
    rates = {name: [ticks / one["run_s"] for one in found] for name, found in runs.items()}
    shown = table(
        f"Ticks/s, {ticks:,} ticks of {options.instruments} instruments,"
        f" {expected.count:,} signals, medians of {options.runs}",
        ("program", "ticks/s", "lowest", "highest", "ours / this", "CPU µs/tick", "peak MB"),
        [_row(name, found, runs, ticks) for name, found in runs.items()],
    )
    return Outcome(
        tables=(shown,),
        targets=tuple(_targets(runs)),
        data={"ticks": ticks, "signals": expected.count, "ticks_per_s": rates, "runs": runs},
    )


def prepare(session: Session, options: Options) -> Signals:
    """Fill the topic, store the strategy; the signals to come."""
    session.say(f"filling the topic with {options.ticks:,} ticks")
    session.cluster.renew(ticks=True)
    session.cluster.fill(spread(session.trades, options.instruments, options.ticks))
    store_strategies(session.cluster, [rsi_strategy(options.instruments)])
    return expected_signals(session.cluster)


def _measures(session: Session, expected: Signals) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for program in PROGRAMS:
        python = session.python_of(program) if session.options.wants(program.name) else None
        if python is not None:
            measures[program.name] = partial(_measure_peer, session, program, python, expected)
    ours = {
        OURS: ("at_least_once", None),
        NO_CHECKPOINTS: ("at_least_once", NEVER),
        EXACTLY_ONCE: ("exactly_once", None),
    }
    for name, (delivery, interval) in ours.items():
        if session.options.wants(name):
            measures[name] = partial(_measure_ours, session, delivery, interval, expected)
    return measures


def _measure_peer(
    session: Session, program: Program, python: Path, expected: Signals
) -> dict[str, float]:
    cluster = session.cluster
    cluster.renew()
    with session.scratch() as scratch:
        child = Child(python, program.arguments, scratch, peer_variables(session, program, scratch))
        try:
            result = child.result()
        finally:
            child.end()
    sent = _checked(session, expected)
    run_s = max(result["last"], sent.last_ms / 1000) - result["first"]
    return {"run_s": run_s, "cpu_s": result["cpu_s"], "rss_mb": result["rss_mb"]}


def peer_variables(
    session: Session, program: Program, scratch: Path, *, ticks: int | None = None
) -> dict[str, str]:
    """What a peer is told."""
    cluster = session.cluster
    return {
        "BENCH_BROKER": cluster.bootstrap_servers,
        "BENCH_TICKS_TOPIC": cluster.ticks,
        "BENCH_SIGNALS_TOPIC": cluster.signals,
        "BENCH_TOPIC_ID": cluster.topic_id(),
        "BENCH_GROUP": f"bench-{uuid4().hex[:8]}",
        "BENCH_TICKS": str(session.options.ticks if ticks is None else ticks),
        "BENCH_READY": str(scratch / "ready"),
        "BENCH_VARIANT": program.variant,
    }


def _measure_ours(
    session: Session, delivery: str, interval: float | None, expected: Signals
) -> dict[str, float]:
    cluster = session.cluster
    cluster.renew()
    with (
        session.scratch() as scratch,
        running_workers(
            cluster, scratch, delivery=delivery, checkpoint_seconds=interval
        ) as workers,
    ):
        (worker,) = workers
        if delivery == "exactly_once":
            # Signals are there after a checkpoint only; stopping takes one.
            wait_until(
                "all ticks handled",
                lambda: worker.processed() >= session.options.ticks,
                workers,
                every=0.2,
            )
            cpu, rss = worker.cpu_seconds(), worker.peak_rss_mb()
            worker.stop()
        else:
            wait_until(
                "all signals sent",
                lambda: cluster.size(cluster.signals) >= expected.count,
                workers,
            )
            cpu, rss = worker.cpu_seconds(), worker.peak_rss_mb()
        mark = _mark(worker)
    sent = _checked(session, expected)
    return {
        "run_s": sent.last_ms / 1000 - mark["first"],
        "cpu_s": cpu - mark["cpu_before"],
        "rss_mb": rss,
    }


def _mark(worker: Worker) -> Mapping[str, float]:
    mark = worker.mark()
    if mark is None:
        raise WorkerFailedError("the worker handled no tick")
    return mark


def _checked(session: Session, expected: Signals) -> Signals:
    sent = sent_signals(session.cluster)
    if not sent.same_as(expected):
        raise WrongSignalsError(
            f"{sent.count:,} signals, expected {expected.count:,}; the first difference:"
            f" {first_difference(session.cluster)}"
        )
    return sent


def _row(name: str, found: Runs, runs: Mapping[str, Runs], ticks: int) -> tuple[object, ...]:
    return (
        name,
        ticks / median(found, "run_s"),
        ticks / highest(found, "run_s"),
        ticks / lowest(found, "run_s"),
        median(found, "run_s") / median(runs[OURS], "run_s") if OURS in runs else None,
        median(found, "cpu_s") / ticks * 1e6,
        median(found, "rss_mb"),
    )


def _targets(runs: Mapping[str, Runs]) -> list[Target]:
    if OURS not in runs:
        return []
    ours = median(runs[OURS], "run_s")
    targets = [
        Target(
            what=f"ticks/s, ours / {name}",
            measured=median(runs[name], "run_s") / ours,
            wanted=wanted,
            at_least=True,
        )
        for name, wanted in _WANTED.items()
        if name in runs
    ]
    if NO_CHECKPOINTS in runs:
        targets.append(
            Target(
                what="throughput that checkpoints cost",
                measured=100 * (1 - median(runs[NO_CHECKPOINTS], "run_s") / ours),
                wanted=_MOST_FOR_CHECKPOINTS,
                at_least=False,
                unit=" %",
            )
        )
    return targets
