"""CPU seconds per million ticks: more instruments, more strategies, more workers.

Checkpoints are off. The ticks are held back in a transaction until the workers own their
partitions, and then there all at once, so that every worker is busy until the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from uuid import uuid5

from algo_panda.domain.config import StrategyConfig
from benchmarks.options import Options
from benchmarks.ours import (
    NEVER,
    Worker,
    rsi_strategy,
    running_workers,
    store_strategies,
    wait_until,
)
from benchmarks.outcome import Outcome
from benchmarks.session import Session, interleaved
from benchmarks.tables import Runs, Target, highest, lowest, median, table
from benchmarks.ticks import Trade, spread

_FURTHER_STRATEGIES = 3
_WARM_TICKS_EACH = 20
_MOST_GROWTH_BY_INSTRUMENTS = 1.20
_MOST_GROWTH_BY_WORKERS = 1.25
_COST = "cpu_s_per_million"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    instruments: int
    strategies: int = 1
    workers: int = 1

    @property
    def name(self) -> str:
        strategies = "1 strategy" if self.strategies == 1 else f"{self.strategies} strategies"
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{self.instruments:,} instruments, {strategies}, {workers}"


def run(session: Session) -> Outcome:
    options = session.options
    base = _Case(instruments=options.instruments)
    many = _Case(instruments=options.many_instruments)
    further = _Case(instruments=options.instruments, strategies=1 + _FURTHER_STRATEGIES)
    parallel = [
        _Case(instruments=options.instruments, workers=count)
        for count in range(2, options.max_workers + 1)
    ]
    cases = (base, many, further, *parallel)
    runs = interleaved(
        session, options.runs, {case.name: partial(_measure, session, case) for case in cases}
    )
    shown = table(
        f"CPU seconds per million ticks, {options.scaling_ticks:,} ticks, no checkpoints,"
        f" medians of {options.runs}",
        ("case", "CPU s", "lowest", "highest", "beside the first"),
        [
            (
                name,
                median(found, _COST),
                lowest(found, _COST),
                highest(found, _COST),
                _ratio(runs, name, base.name),
            )
            for name, found in runs.items()
        ],
    )
    return Outcome(
        tables=(shown,),
        targets=tuple(_targets(runs, base, many, further, parallel)),
        data={"ticks": options.scaling_ticks, "runs": runs},
    )


def _measure(session: Session, case: _Case) -> dict[str, float]:
    cluster, options = session.cluster, session.options
    cluster.renew(ticks=True)
    store_strategies(cluster, _strategies(case))
    warm = _WARM_TICKS_EACH * case.instruments
    rows = spread(_trades(session, options), case.instruments, warm + options.scaling_ticks)
    with (
        session.scratch() as scratch,
        running_workers(cluster, scratch, count=case.workers, checkpoint_seconds=NEVER) as workers,
    ):
        wait_until("partitions shared", lambda: _shared(workers, cluster.partitions), workers)
        with cluster.held_back() as send:
            send(islice(rows, warm))
        _wait_for_ticks(workers, warm)
        with cluster.held_back() as send:
            send(rows)
            before = sum(worker.cpu_seconds() for worker in workers)
        _wait_for_ticks(workers, warm + options.scaling_ticks)
        used = sum(worker.cpu_seconds() for worker in workers) - before
        peak = max(worker.peak_rss_mb() for worker in workers)
    return {_COST: used / options.scaling_ticks * 1e6, "rss_mb": peak}


def _trades(session: Session, options: Options) -> list[Trade]:
    """As many as the larger number of instruments gets to see: the same for every case."""
    return session.trades[: max(1, options.scaling_ticks // options.many_instruments)]


def _strategies(case: _Case) -> list[StrategyConfig]:
    first = rsi_strategy(case.instruments)
    return [replace(first, id=uuid5(first.id, str(n))) for n in range(case.strategies)]


def _shared(workers: Sequence[Worker], partitions: int) -> bool:
    assigned = [worker.metrics().get("panda_assigned_partitions", 0.0) for worker in workers]
    return sum(assigned) == partitions and min(assigned) >= partitions // len(workers)


def _wait_for_ticks(workers: Sequence[Worker], ticks: int) -> None:
    wait_until(
        f"{ticks:,} ticks handled",
        lambda: sum(worker.processed() for worker in workers) >= ticks,
        workers,
        every=0.25,
        patience=600,
    )


def _ratio(runs: dict[str, Runs], name: str, base: str) -> float | None:
    return median(runs[name], _COST) / median(runs[base], _COST) if base in runs else None


def _targets(
    runs: dict[str, Runs], base: _Case, many: _Case, further: _Case, parallel: Sequence[_Case]
) -> list[Target]:
    targets: list[Target] = []
    grown = _ratio(runs, many.name, base.name) if many.name in runs else None
    if grown is not None:
        what = f"cost of a tick, {many.instruments:,} instruments / {base.instruments}"
        targets.append(_at_most(what, grown, _MOST_GROWTH_BY_INSTRUMENTS))
    grown = _ratio(runs, further.name, base.name) if further.name in runs else None
    if grown is not None:
        what = "cost of a further strategy on a tick / of the first"
        targets.append(_at_most(what, (grown - 1) / _FURTHER_STRATEGIES, 1.0))
    ratios = [_ratio(runs, case.name, base.name) for case in parallel if case.name in runs]
    known = [ratio for ratio in ratios if ratio is not None]
    if known:
        what = f"CPU per tick, up to {len(known) + 1} workers / 1"
        targets.append(_at_most(what, max(known), _MOST_GROWTH_BY_WORKERS))
    return targets


def _at_most(what: str, measured: float, wanted: float) -> Target:
    return Target(what=what, measured=measured, wanted=wanted, at_least=False)
