"""How long a worker with many processors is away when it is told to stop and started again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, TopicPartition

from benchmarks.cluster import Cluster
from benchmarks.loaded import load, ready_file
from benchmarks.ours import (
    Worker,
    WorkerFailedError,
    running_workers,
    store_strategies,
    wait_until_all_opened,
)
from benchmarks.outcome import Outcome
from benchmarks.population import processors, strategies_with_states
from benchmarks.session import Session, interleaved
from benchmarks.tables import Target, median, table
from benchmarks.ticks import tokens

_MOST_SECONDS = 5.0
_AFTERWARDS_SECONDS = 60.0
_PATIENCE_SECONDS = 60.0
_RUNS = 1


def run(session: Session) -> Outcome:
    options = session.options
    runs = interleaved(session, _RUNS, {"ours": lambda: _measure(session)})
    found = runs["ours"]
    shown = table(
        f"Restart after {options.restart_seconds:.0f} s at {options.restart_rate:,} ticks/s,"
        f" {options.restart_states:,} processor states",
        ("SIGTERM to end, s", "start to a signal from every partition, s", "reading back, s", "MB"),
        [
            (
                median(found, "stop_s"),
                median(found, "restored_s"),
                median(found, "restore_s"),
                median(found, "rss_mb"),
            )
        ],
    )
    target = Target(
        what="restored and processing",
        measured=median(found, "restored_s"),
        wanted=_MOST_SECONDS,
        at_least=False,
        unit=" s",
    )
    return Outcome(tables=(shown,), targets=(target,), data={"runs": runs})


def _measure(session: Session) -> dict[str, float]:
    cluster, options = session.cluster, session.options
    cluster.renew(ticks=True)
    configs = strategies_with_states(tokens(options.many_instruments), options.restart_states)
    session.say(f"{len(configs)} strategies, {processors(configs):,} processors")
    store_strategies(cluster, configs)
    with (
        session.scratch() as scratch,
        load(
            session,
            scratch,
            instruments=options.many_instruments,
            rate=options.restart_rate,
            warm=0,
            seconds=options.restart_seconds + _AFTERWARDS_SECONDS,
        ),
    ):
        with running_workers(cluster, scratch) as workers:
            (worker,) = workers
            wait_until_all_opened(worker, options.many_instruments)
            ready_file(scratch).touch()
            _let_run(worker, options.restart_seconds)
            stop_s = worker.stop()
        with _new_signals(cluster) as first_from_all, running_workers(cluster, scratch) as again:
            (worker,) = again
            restored_s = first_from_all(worker) - worker.started
            metrics = worker.metrics()
            return {
                "stop_s": stop_s,
                "restored_s": restored_s,
                "restore_s": metrics["panda_restore_seconds"] / cluster.partitions,
                "rss_mb": worker.rss_mb(),
            }


def _let_run(worker: Worker, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        worker.check()
        time.sleep(0.2)


@contextmanager
def _new_signals(cluster: Cluster) -> Iterator["_FirstFromAll"]:
    """Take only signals that are not there yet."""
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
        }
    )
    try:
        starts = [TopicPartition(cluster.signals, n) for n in range(cluster.partitions)]
        for start in starts:
            start.offset = consumer.get_watermark_offsets(start, 30)[1]
        consumer.assign(starts)
        yield _FirstFromAll(consumer, cluster.partitions)
    finally:
        consumer.close()


class _FirstFromAll:
    """Waits for a signal from every partition."""

    def __init__(self, consumer: Consumer, partitions: int) -> None:
        self._consumer = consumer
        self._partitions = partitions

    def __call__(self, worker: Worker) -> float:
        """When the broker appended the one that came last, seconds since the epoch."""
        first: dict[int, float] = {}
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(first) < self._partitions:
            worker.check()
            if time.monotonic() > deadline:
                raise WorkerFailedError(f"no signal in {_PATIENCE_SECONDS:.0f} s")
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                first.setdefault(message.partition() or 0, message.timestamp()[1] / 1000)
        return max(first.values())
