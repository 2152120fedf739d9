"""Runs the strategies of a replay: in this process, or in some that are begun for it."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from algo_panda.bootstrap.arrival import arrival_policy
from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.bootstrap.strategies import build_factory, init_values
from algo_panda.domain.config import StrategyConfig
from algo_panda.replay.hearing import Hearing, Listens
from algo_panda.replay.observer import Observer
from algo_panda.replay.packing import packed
from algo_panda.replay.processes import GRACE_SECONDS, Processes, WorkersError
from algo_panda.replay.shards import Reply, ShardedHearing, Shards
from algo_panda.replay.ticks import RecordedTicks, TickColumns
from algo_panda.runner.collector import collect_seldom
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from algo_panda.wire.codecs import Codecs

Asked = Sequence[TickColumns] | None
"""What a process is handed: ticks; or nothing, at the end."""


def runner_of(
    settings: Settings, configs: Iterable[StrategyConfig], observer: Observer
) -> StrategyRunner:
    """A runner as the worker has it, that tells ``observer``."""
    return StrategyRunner(
        configs=configs,
        factory=build_factory(settings),
        telemetry=observer,
        status=observer,
        quarantine_after=settings.quarantine_after,
        arrival=arrival_policy(settings),
    )


def hearing_here(
    codecs: Codecs, runner: StrategyRunner, source: RecordedTicks, *, keeps_ticks: bool
) -> Listens:
    """Has ``runner``, which was started, run strategies in this process."""
    return _hearing(codecs, runner, source.topic_id, source.partitions, keeps_ticks=keeps_ticks)


@contextmanager
def hearing_in_processes(
    settings: Settings,
    configs: Sequence[StrategyConfig],
    source: RecordedTicks,
    *,
    jobs: int,
    ahead: int,
    observer: Observer,
) -> Generator[Listens]:
    """Runs strategies in up to ``jobs`` processes, which end with the context.

    Args:
        settings: of this process, and of those.
        configs: strategies that can be started.
        source: whose ticks they will be handed.
        jobs: how many processes; no more than there are instruments.
        ahead: as ``ShardedHearing`` takes it.
        observer: is told what befalls strategies once they are started.
    """
    strategies = _strategies_by_instrument(configs)
    values = [init_values(config) for config in configs]
    arguments = (settings, values, source.topic_id, tuple(source.partitions))
    processes = [
        Processes[Asked, Reply](_answer, prepare=_prepare, arguments=arguments, jobs=1)
        for _ in range(min(jobs, len(strategies)))
    ]
    sharded = ShardedHearing(
        [one.submit for one in processes],
        Shards(len(processes), strategies),
        ahead=ahead,
        observer=observer,
    )
    grace: float | None = 0.0  # where somebody does not want to wait
    try:
        for one in processes:
            one.submit(())  # they start while this process goes on
        yield sharded
        grace = None if sharded.is_done else GRACE_SECONDS
    except Exception:
        grace = GRACE_SECONDS
        raise
    finally:
        _end(processes, grace)


def _end(processes: Sequence[Processes[Asked, Reply]], grace_seconds: float | None) -> None:
    """Let strategies put away what they hold, as far as they do so in time; None: all of it."""
    for one in processes:
        one.stop()
    is_late = True
    try:
        last: list[Future[Reply]] = (
            [] if grace_seconds == 0 else [one.submit(None) for one in processes]
        )
        is_late = bool(wait(last, grace_seconds).not_done)
    finally:  # a second Ctrl-C does not wait
        for one in processes:
            one.close(0 if is_late else GRACE_SECONDS)


def _strategies_by_instrument(configs: Iterable[StrategyConfig]) -> Mapping[int, int]:
    return Counter(token for config in configs for token in dict.fromkeys(config.instruments))


def _hearing(
    codecs: Codecs,
    runner: StrategyRunner,
    topic_id: str,
    partitions: Iterable[int],
    *,
    keeps_ticks: bool = False,
) -> Hearing:
    return Hearing(
        {number: runner.partition(topic_id=topic_id, partition=number) for number in partitions},
        codecs.signals.encode,
        keeps_ticks=keeps_ticks,
    )


class ShardWorker:
    """What a process has: the strategies as they are in the one that began it."""

    def __init__(
        self,
        stopped: Callable[[], bool],
        settings: Settings,
        configs: Sequence[StrategyConfig],
        topic_id: str,
        partitions: Sequence[int],
    ) -> None:
        self._stopped = stopped
        self._observer = Observer()
        self._runner = runner_of(settings, configs, self._observer)
        self._disabled = self._runner.start().disabled
        self._hearing = _hearing(codecs_of(settings), self._runner, topic_id, partitions)

    def answer(self, asked: Asked) -> Reply:
        """What strategies say to ticks; at the end they are shut down.

        Raises:
            WorkersError: a strategy could not be started.
        """
        if asked is None:
            self._runner.stop()
            return Reply((), self._observer)
        for one in self._disabled:
            raise WorkersError(
                f"strategy {one.config.id} starts in the main process and not in a worker process:"
                f" {one.reason}; run it with --jobs 1"
            )
        if self._stopped():  # nobody waits for it
            return Reply((), self._observer)
        said = [packed(self._hearing.heard(columns)) for columns in asked]
        return Reply(said, self._observer.taken())


_in_this_process: list[ShardWorker] = []


def _prepare(
    stopped: Callable[[], bool],
    settings: Settings,
    configs: Sequence[dict[str, Any]],
    topic_id: str,
    partitions: Sequence[int],
) -> None:
    collect_seldom()
    made = [StrategyConfig(**values) for values in configs]
    _in_this_process.append(ShardWorker(stopped, settings, made, topic_id, partitions))


def _answer(asked: Asked) -> Reply:
    (worker,) = _in_this_process
    return worker.answer(asked)
