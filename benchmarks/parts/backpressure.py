"""Ticks come faster than a worker can take them: where they wait, and whether its memory grows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

from benchmarks.loaded import load, ready_file
from benchmarks.options import Options
from benchmarks.ours import (
    Worker,
    rsi_strategy,
    running_workers,
    store_strategies,
    wait_until_all_opened,
)
from benchmarks.outcome import Outcome
from benchmarks.programs import Child
from benchmarks.session import Session
from benchmarks.slow_rsi import STRATEGY_TYPE
from benchmarks.tables import Target, table

_LOOK_EVERY = 1.0
_MOST_GROWTH_PERCENT = 5.0
_LAG_MAY_MISS_SECONDS = 10.0
"""The lag counts from the last checkpoint, and is asked for once a second."""


@dataclass
class _Seen:
    """What was seen of the worker while ticks came; lists have an entry a second."""

    memory_mb: list[float] = field(default_factory=list[float])
    lag: list[int] = field(default_factory=list[int])
    """Records, as the worker's own metric says."""
    processed: int = 0
    sent: int = 0


def run(session: Session) -> Outcome:
    options = session.options
    session.cluster.renew(ticks=True)
    store_strategies(
        session.cluster,
        [replace(rsi_strategy(options.instruments), strategy_type=STRATEGY_TYPE)],
    )
    seen = _Seen()
    with (
        session.scratch() as scratch,
        running_workers(session.cluster, scratch) as workers,
        load(
            session,
            scratch,
            instruments=options.instruments,
            rate=options.backpressure_rate,
            warm=0,
            seconds=options.backpressure_seconds,
        ) as pouring,
    ):
        (worker,) = workers
        wait_until_all_opened(worker, options.instruments)
        ready_file(scratch).touch()
        _look_until_end(worker, pouring, seen)
        offered = pouring.result()
    seen.sent = offered["sent"]
    return _outcome(options, seen, offered)


def _look_until_end(worker: Worker, pouring: Child, seen: _Seen) -> None:
    while pouring.running:
        worker.check()
        metrics = worker.metrics()
        seen.memory_mb.append(worker.rss_mb())
        seen.lag.append(int(metrics.get("panda_consumer_lag_records", 0)))
        seen.processed = int(metrics.get("panda_records_processed_total", 0))
        time.sleep(_LOOK_EVERY)


def _outcome(options: Options, seen: _Seen, offered: dict[str, Any]) -> Outcome:
    growth = _growth_percent(seen.memory_mb)
    waiting = seen.sent - seen.processed
    shown = table(
        f"Backpressure: {options.backpressure_rate:,} ticks/s for"
        f" {options.backpressure_seconds:.0f} s, a strategy that takes 200 µs",
        (
            "sent",
            "processed",
            "waiting at the end",
            "its metric says",
            "MB at the beginning",
            "at the end",
            "at most",
            "growth %",
        ),
        [
            (
                seen.sent,
                seen.processed,
                waiting,
                seen.lag[-1],
                seen.memory_mb[0],
                seen.memory_mb[-1],
                max(seen.memory_mb),
                growth,
            )
        ],
    )
    data = {
        "offered": offered,
        "processed": seen.processed,
        "lag": seen.lag,
        "memory_mb": [round(megabytes, 1) for megabytes in seen.memory_mb],
    }
    return Outcome(tables=(shown,), targets=_targets(options, waiting, seen, growth), data=data)


def _targets(options: Options, waiting: int, seen: _Seen, growth: float) -> tuple[Target, ...]:
    return (
        Target(
            what="waiting when the load ends, s of it",
            measured=waiting / options.backpressure_rate,
            wanted=options.backpressure_seconds / 4,
            at_least=True,
        ),
        Target(
            what="the lag metric is off by, s of load",
            measured=abs(seen.lag[-1] - waiting) / options.backpressure_rate,
            wanted=_LAG_MAY_MISS_SECONDS,
            at_least=False,
        ),
        Target(
            what="memory, growth",
            measured=growth,
            wanted=_MOST_GROWTH_PERCENT,
            at_least=False,
            unit=" %",
        ),
    )


def _growth_percent(memory: Sequence[float]) -> float:
    """From the third fifth to the last: what comes before fills what is bounded."""
    fifth = max(1, len(memory) // 5)
    early, late = mean(memory[2 * fifth : 3 * fifth] or memory), mean(memory[-fifth:])
    return 100 * (late / early - 1)
