"""The whole market on one worker: does it keep up, how late is a signal, does memory grow."""

import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from benchmarks.cluster import Cluster
from benchmarks.loaded import load, ready_file
from benchmarks.options import Options
from benchmarks.ours import (
    Worker,
    running_workers,
    store_strategies,
    wait_until_all_opened,
)
from benchmarks.outcome import Outcome
from benchmarks.population import processors, strategies
from benchmarks.programs import Child
from benchmarks.session import Session
from benchmarks.tables import Target, quantile, table
from benchmarks.ticks import tokens
from benchmarks.windows import Windows
from benchmarks.work import decode_signal

_MOST_WARM_SECONDS = 15.0
_LOOK_EVERY = 1.0
_LOAD_LINGER_MS = 5.0
"""A tick's latency begins with its append; the load and its requests are to take less of a machine
that the worker shares with it and with the broker."""
_COMMIT_MS = 100.0
_CATCH_UP_SECONDS = 60.0
_MOST_OUTSIDE_MS, _MOST_INSIDE_MS = 10.0, 100.0
_MOST_GROWTH_PERCENT = 5.0
_MOST_BEHIND_SECONDS = 1.0


@dataclass
class _Seen:
    """What was seen of the worker while the load lasted."""

    memory: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When, and MB resident."""
    behind: int = 0
    """Ticks sent and not handled when the load ended."""
    checkpoints: int = 0
    """Of single partitions."""
    checkpoint_seconds: float = 0.0
    """From the snapshot until durable, on average."""
    opening_cpu_s: float = 0.0
    """CPU seconds from the start until the first tick of every instrument was handled."""
    cpu_share: float = 0.0
    """Of one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latencies:
    """Milliseconds from append to append, rising."""

    inside: Sequence[int]
    """Of ticks or signals appended while a checkpoint was under way."""
    outside: Sequence[int]


def run(session: Session) -> Outcome:
    options = session.options
    session.cluster.renew(ticks=True)
    configs = strategies(tokens(options.many_instruments), options.market_strategies)
    count = processors(configs)
    session.say(f"{len(configs)} strategies, {count:,} processors")
    store_strategies(session.cluster, configs)
    seen, offered = _watch(session, options)
    session.say("reading ticks and signals")
    latencies = _latencies(session.cluster, seen, 1000 * offered["measured_from"])
    return _outcome(options, count, seen, offered, latencies)


def _watch(session: Session, options: Options) -> tuple[_Seen, dict[str, Any]]:
    seen = _Seen()
    warm = min(_MOST_WARM_SECONDS, options.market_seconds)
    with (
        session.scratch() as scratch,
        running_workers(session.cluster, scratch) as workers,
        load(
            session,
            scratch,
            instruments=options.many_instruments,
            rate=options.market_rate,
            warm=warm,
            seconds=options.market_seconds,
            linger_ms=_LOAD_LINGER_MS,
        ) as pouring,
    ):
        (worker,) = workers
        seen.opening_cpu_s = wait_until_all_opened(worker, options.many_instruments)
        session.cluster.keep_checkpoints()
        ready_file(scratch).touch()
        cpu, started = worker.cpu_seconds(), time.monotonic()
        _look_until_end(worker, pouring, seen)
        seen.cpu_share = (worker.cpu_seconds() - cpu) / (time.monotonic() - started)
        offered = pouring.result()
        metrics = worker.metrics()
        seen.behind = offered["sent"] - int(metrics["panda_records_processed_total"])
        seen.checkpoints = int(metrics["panda_checkpoint_seconds_count"])
        if seen.checkpoints:
            seen.checkpoint_seconds = metrics["panda_checkpoint_seconds_sum"] / seen.checkpoints
        _let_catch_up(worker, offered["sent"], max(_CATCH_UP_SECONDS, options.market_seconds))
        time.sleep(1)  # the last signals are on their way
    return seen, offered


def _let_catch_up(worker: Worker, sent: int, patience: float) -> None:
    """Wait for the rest. If it takes too long, there is nothing more to learn from it."""
    deadline = time.monotonic() + patience
    while worker.processed() < sent and time.monotonic() < deadline:
        worker.check()
        time.sleep(0.5)


def _look_until_end(worker: Worker, pouring: Child, seen: _Seen) -> None:
    """From outside alone: the worker is not asked anything while it is measured."""
    while pouring.running:
        worker.check()
        seen.memory.append((time.time(), worker.rss_mb()))
        time.sleep(_LOOK_EVERY)


def _latencies(cluster: Cluster, seen: _Seen, measured_from_ms: float) -> _Latencies:
    appended = [array("q") for _ in range(cluster.partitions)]
    for tick in cluster.read(cluster.ticks):
        appended[tick.partition() or 0].append(tick.timestamp()[1])
    # A checkpoint's last record stands shortly before its end; one may take twice the average.
    ends = [written + _COMMIT_MS for written in cluster.checkpoint_times_ms()]
    windows = Windows(ends, 2000 * seen.checkpoint_seconds + _COMMIT_MS)
    inside, outside = array("q"), array("q")
    for message in cluster.read(cluster.signals):
        signal = decode_signal(message.value() or b"")
        tick_ms = appended[signal["tick_partition"]][signal["tick_offset"]]
        if tick_ms < measured_from_ms:
            continue
        signal_ms = message.timestamp()[1]
        touched = windows.touched(tick_ms, signal_ms)
        (inside if touched else outside).append(signal_ms - tick_ms)
    return _Latencies(inside=sorted(inside), outside=sorted(outside))


def _outcome(
    options: Options, count: int, seen: _Seen, offered: dict[str, Any], latencies: _Latencies
) -> Outcome:
    growth = _growth_percent([megabytes for _, megabytes in seen.memory])
    latency = table(
        f"Append to append, ms: {options.many_instruments:,} instruments,"
        f" {options.market_strategies} strategies, {count:,} processors,"
        f" {offered['rate']:,.0f} ticks/s for {options.market_seconds:.0f} s",
        ("signals", "count", "p50", "p99", "max"),
        [
            _latency_row("outside checkpoints", latencies.outside),
            _latency_row("inside checkpoints", latencies.inside),
        ],
    )
    behind = seen.behind / options.market_rate
    worker = table(
        "The worker",
        (
            "opening, CPU s",
            "checkpoints",
            "each took, s",
            "CPU, cores",
            "behind, s",
            "MB",
            "growth %",
        ),
        [
            (
                seen.opening_cpu_s,
                str(seen.checkpoints),
                seen.checkpoint_seconds,
                seen.cpu_share,
                behind,
                seen.memory[-1][1],
                growth,
            )
        ],
    )
    data = {
        "processors": count,
        "offered": offered,
        "behind_ticks": seen.behind,
        "memory_mb": [[round(at, 1), round(mb, 1)] for at, mb in seen.memory],
        "checkpoints": seen.checkpoints,
        "checkpoint_seconds": seen.checkpoint_seconds,
        "opening_cpu_s": seen.opening_cpu_s,
        "cpu_share": seen.cpu_share,
        "latency_ms": {
            "outside": _summary(latencies.outside),
            "inside": _summary(latencies.inside),
        },
    }
    return Outcome(
        tables=(latency, worker), targets=tuple(_targets(latencies, behind, growth)), data=data
    )


def _targets(latencies: _Latencies, behind: float, growth: float) -> list[Target]:
    wanted = [
        ("behind when the load ends", behind, _MOST_BEHIND_SECONDS, " s"),
        ("memory, growth", growth, _MOST_GROWTH_PERCENT, " %"),
    ]
    for name, found, most in (
        ("p99 outside checkpoints", latencies.outside, _MOST_OUTSIDE_MS),
        ("p99 inside checkpoints", latencies.inside, _MOST_INSIDE_MS),
    ):
        if found:
            wanted.append((name, float(quantile(found, 0.99)), most, " ms"))
    return [
        Target(what=what, measured=measured, wanted=most, at_least=False, unit=unit)
        for what, measured, most, unit in wanted
    ]


def _growth_percent(memory: Sequence[float]) -> float:
    """From the second fifth to the last: what comes before is warming up."""
    fifth = max(1, len(memory) // 5)
    early, late = mean(memory[fifth : 2 * fifth] or memory), mean(memory[-fifth:])
    return 100 * (late / early - 1)


def _latency_row(name: str, found: Sequence[int]) -> tuple[object, ...]:
    if not found:
        return (name, 0, None, None, None)
    return (name, len(found), quantile(found, 0.5), quantile(found, 0.99), found[-1])


def _summary(found: Sequence[int]) -> dict[str, float]:
    if not found:
        return {"count": 0}
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {"count": len(found), **{key: quantile(found, at) for key, at in shares.items()}}
