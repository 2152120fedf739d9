"""The demo from beginning to end."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from algo_panda.demo.environment import DemoEnvironment
from algo_panda.demo.monitor import Monitor
from algo_panda.demo.tally import Tally
from algo_panda.demo.workers import DemoWorkers
from algo_panda.domain.errors import PandaError
from algo_panda.ingest.connecting import open_producer
from algo_panda.ingest.outcome import Counts
from algo_panda.ingest.pace import Pace
from algo_panda.ingest.publisher import Publisher
from algo_panda.ingest.source import Row
from algo_panda.wire.codecs import Codecs, load_codecs

_LOOK_SECONDS = 0.1
_SETTLED_EVERY_SECONDS = 0.5
_STALL_SECONDS = 120.0


class StalledError(PandaError):
    """Nothing moved for a long time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """How it ended."""

    tally: Tally
    seconds: float
    """From the first tick published until the last execution was booked."""


class _Publishing:
    """Publishes in a thread, so that it can be watched."""

    def __init__(
        self, environment: DemoEnvironment, codecs: Codecs, rows: Iterable[Row], pace: Pace | None
    ) -> None:
        topic = environment.settings.topic("ticks")
        self.counts = Counts()
        self.failure: BaseException | None = None
        self._rows = rows
        self._publisher = Publisher(
            producer=open_producer(environment.connection, topic),
            topic=topic,
            encode=codecs.ticks.encode,
            clock=time,
            pace=pace,
            on_progress=self._progress,
        )
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._publisher.stop()
        self._thread.join()

    def _progress(self, counts: Counts) -> None:
        self.counts = counts

    def _run(self) -> None:
        try:
            self.counts = self._publisher.publish(self._rows).counts
        except BaseException as error:  # noqa: BLE001 - it is raised again by the one who watches
            self.failure = error


def run_demo(
    environment: DemoEnvironment,
    rows: Iterable[Row],
    *,
    pace: Pace | None,
    show: Callable[[Tally, float, float], None],
    until: Callable[[], bool] = lambda: False,
) -> DemoResult:
    """Publish ``rows`` and follow them until every stage has processed everything.

    Args:
        environment: where.
        rows: the ticks; a bad one ends the demo.
        pace: when they are due; None: at once.
        show: called often, with the tally, the seconds so far, and those of publishing.
        until: once all has settled, the workers go on until this says so.

    Raises:
        PandaError: a row is bad, a worker ended, or nothing moves any more.
    """
    codecs = load_codecs()
    with (
        DemoWorkers(environment.folder, environment.variables) as workers,
        Monitor(environment, codecs) as monitor,
    ):
        publishing = _Publishing(environment, codecs, rows, pace)
        started = time.monotonic()
        publishing.start()
        try:
            seconds = _follow(monitor, workers, publishing, started, show)
            while not until():
                workers.check()
                monitor.look(_LOOK_SECONDS)
        finally:
            publishing.stop()
        return DemoResult(tally=monitor.tally, seconds=seconds)


def _follow(
    monitor: Monitor,
    workers: DemoWorkers,
    publishing: _Publishing,
    started: float,
    show: Callable[[Tally, float, float], None],
) -> float:
    moved = next_check = time.monotonic()
    while True:
        now = time.monotonic()
        is_publishing = publishing.is_running  # asked before the count, which is then final
        if monitor.look(_LOOK_SECONDS) or is_publishing:
            moved = now
        if publishing.failure is not None:
            raise publishing.failure
        workers.check()
        monitor.tally.ticks_published = publishing.counts.acknowledged
        if now >= next_check:
            next_check = now + _SETTLED_EVERY_SECONDS
            if monitor.has_settled(monitor.tally.ticks_published) and not is_publishing:
                return time.monotonic() - started
        show(monitor.tally, now - started, publishing.counts.seconds)
        if now - moved > _STALL_SECONDS:
            raise StalledError(f"nothing moved for {_STALL_SECONDS:.0f} s; see {_logs(workers)}")


def _logs(workers: DemoWorkers) -> Path:
    return workers.log_file("runner").parent
