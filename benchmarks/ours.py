"""Our workers, as the command line starts them, and what can be seen of them from outside."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from uuid import UUID

from prometheus_client.parser import text_string_to_metric_families

from algo_panda.bootstrap import build_factory
from algo_panda.domain.config import StrategyConfig
from algo_panda.kafka.ports import free_ports
from algo_panda.store.acceptance import factory_check
from algo_panda.store.database import Database
from algo_panda.store.migrate import upgrade
from algo_panda.store.sql import SqlStrategyRepository
from benchmarks import slow_rsi, work
from benchmarks.cluster import PREFIX, TOPICS_FILE, Cluster
from benchmarks.options import ROOT
from benchmarks.peer import peak_rss_mb, rss_mb
from benchmarks.ticks import tokens
from benchmarks.timed_rsi import MARK_VARIABLE, SILENT_TOKEN

NEVER = 3600.0
"""Seconds between checkpoints, where there are to be none."""

_PATIENCE_SECONDS = 120.0
_OPENING_PATIENCE_SECONDS = 600.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_PROCESSORS = json.dumps(
    {
        work.STRATEGY_TYPE: "benchmarks.timed_rsi.create_processor",
        slow_rsi.STRATEGY_TYPE: "benchmarks.slow_rsi.create_processor",
    }
)


class WorkerFailedError(Exception):
    """A worker ended by itself, or did not do what it should in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One ``panda worker runner``."""

    process: "subprocess.Popen[bytes]"
    log: Path
    metrics_port: int
    started: float

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS

    def rss_mb(self) -> float:
        return rss_mb(self.process.pid)

    def peak_rss_mb(self) -> float:
        return peak_rss_mb(self.process.pid)

    def mark(self) -> Mapping[str, float] | None:
        """When it handled its first tick, and the CPU seconds it had taken by then."""
        path = self.log.with_name(f"mark-{self.process.pid}.json")
        try:
            found: Mapping[str, float] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def metrics(self) -> dict[str, float]:
        """The sum of every metric over its labels; empty before it serves any."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
        except (URLError, OSError):
            return {}
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    def processed(self) -> int:
        return int(self.metrics().get("panda_records_processed_total", 0))

    def stop(self) -> float:
        """End it with SIGTERM; the seconds that took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - started

    def check(self) -> None:
        code = self.process.poll()
        if code is not None:
            tail = "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])
            raise WorkerFailedError(f"the worker ended with exit code {code}:\n{tail}")


@contextmanager
def running_workers(
    cluster: Cluster,
    scratch: Path,
    *,
    count: int = 1,
    delivery: str = "at_least_once",
    checkpoint_seconds: float | None = None,
) -> Iterator[list[Worker]]:
    """Start so many; those that still run at the end of the block are killed."""
    variables = {
        "PANDA_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "PANDA_DATABASE_URL": cluster.settings().effective_database_url,
        "PANDA_TOPIC_PREFIX": PREFIX,
        "PANDA_TOPICS_FILE": str(TOPICS_FILE),
        "PANDA_PROCESSORS": _PROCESSORS,
        "PANDA_DELIVERY": delivery,
        MARK_VARIABLE: str(scratch),
    }
    if checkpoint_seconds is not None:
        variables["PANDA_CHECKPOINT_INTERVAL_SECONDS"] = str(checkpoint_seconds)
    with ExitStack() as stack:
        workers: list[Worker] = []
        for number in range(count):
            worker = _start(variables, scratch, number)
            stack.callback(_end, worker)
            workers.append(worker)
        yield workers


def store_strategies(cluster: Cluster, configs: Iterable[StrategyConfig]) -> None:
    """Make the database anew, with these strategies."""
    settings = cluster.settings().model_copy(update={"processors": json.loads(_PROCESSORS)})
    (cluster.folder / "panda.db").unlink(missing_ok=True)
    with Database(settings.effective_database_url) as database:
        upgrade(database)
        check = factory_check(build_factory(settings))
        repository = SqlStrategyRepository(database, check=check, clock=lambda: datetime.now(UTC))
        for config in configs:
            repository.add(config)


def rsi_strategy(instruments: int) -> StrategyConfig:
    """The strategy that ``benchmarks.work`` is, as a row."""
    return StrategyConfig(
        id=UUID(work.STRATEGY_ID),
        strategy_type=work.STRATEGY_TYPE,
        parameters={
            "period": work.PERIOD,
            "lower": work.LOWER,
            "upper": work.UPPER,
            "flat_rsi": work.FLAT_RSI,
            "confidence": work.CONFIDENCE,
            "quantity": work.QUANTITY,
        },
        instruments=(SILENT_TOKEN, *tokens(instruments)),
        active_brokers=work.BROKERS,
    )


def wait_until(
    what: str,
    condition: Callable[[], Any],
    workers: Iterable[Worker],
    *,
    every: float = 0.05,
    patience: float = _PATIENCE_SECONDS,
) -> None:
    """Ask again and again.

    Raises:
        WorkerFailedError: a worker ended, or it takes too long.
    """
    deadline = time.monotonic() + patience
    while not condition():
        for worker in workers:
            worker.check()
        if time.monotonic() > deadline:
            raise WorkerFailedError(f"{what}: not within {patience:.0f} s")
        time.sleep(every)


def wait_until_all_opened(worker: Worker, instruments: int) -> float:
    """Until it has handled the first tick of each, for which it makes processors.

    Returns:
        The CPU seconds that it took for that, start-up included.
    """
    wait_until(
        "every instrument's first tick handled",
        lambda: worker.processed() >= instruments,
        (worker,),
        every=0.5,
        patience=_OPENING_PATIENCE_SECONDS,
    )
    return worker.cpu_seconds()


def _start(variables: Mapping[str, str], scratch: Path, number: int) -> Worker:
    (port,) = free_ports(1)
    log = scratch / f"worker-{number}-{port}.log"
    with log.open("wb") as out:
        started = time.time()
        process = subprocess.Popen(
            [sys.executable, "-m", "algo_panda", "worker", "runner"],
            env={**_environment(), **variables, "PANDA_METRICS_PORT": str(port)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Worker(process=process, log=log, metrics_port=port, started=started)


def _environment() -> dict[str, str]:
    """As it is for people: what was imported once is not compiled again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _end(worker: Worker) -> None:
    if worker.process.poll() is None:
        worker.process.kill()
    worker.process.wait()
