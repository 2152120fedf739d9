"""Runs of a sweep: each of them is a replay as ``panda replay`` wires it, in a worker process."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

from algo_panda.bootstrap.replay import parameters_setter, wired_replay, with_parameters
from algo_panda.bootstrap.strategies import init_values
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.containment import described_whole, is_interrupt
from algo_panda.domain.errors import PandaError
from algo_panda.replay.grid import Combination
from algo_panda.replay.mapped import MappedTicks
from algo_panda.replay.metrics import Measured, measured
from algo_panda.replay.observer import Observer
from algo_panda.replay.portfolio import Portfolio
from algo_panda.replay.results import results_of
from algo_panda.replay.selection import SelectedTicks, Selection
from algo_panda.replay.sweep import Failed, Finished, Plan, Run, Swept, Task, sweep
from algo_panda.replay.tally import Tally
from algo_panda.replay.ticks import RecordedTicks
from algo_panda.replay.workers import Died, Workers
from algo_panda.runner.collector import collect_seldom
from algo_panda.settings import Settings
from algo_panda.store.repository import StrategyRefusedError

Outcome = Finished | Failed | None
"""None: it was stopped before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What all runs of a sweep have in common."""

    settings: Settings
    ticks: MappedTicks
    configs: Sequence[StrategyConfig]
    """As they are stored, without what is set for the sweep."""
    parameters: Mapping[str, Any]
    """Set in all runs; a combination comes on top."""
    capital: Decimal
    """Equity at the beginning, for the statistics."""
    zone: tzinfo
    """Whose days they count."""

    def configs_of(self, parameters: Mapping[str, Any]) -> Sequence[StrategyConfig]:
        """The strategies of a run.

        Raises:
            StrategyRefusedError: one of them cannot be run with these parameters.
        """
        return with_parameters(self.settings, self.configs, {**self.parameters, **parameters})

    def ticks_of(self, task: Task) -> RecordedTicks:
        """The ticks of a run."""
        if task.span is None:
            return self.ticks
        from_us, to_us = task.span.from_us, task.span.to_us
        return SelectedTicks(
            self.ticks.between(from_us, to_us), Selection(from_us=from_us, to_us=to_us)
        )

    def outcome(self, task: Task, stopped: Callable[[], bool]) -> Outcome:
        """Make a run."""
        try:
            configs = self.configs_of(task.combination.parameters)
            tally, portfolio = Tally(), Portfolio(capital=self.capital, zone=self.zone)
            ticks = self.ticks_of(task)
            with wired_replay(self.settings, ticks, configs, [tally, portfolio]) as wired:
                result = wired.replay.run(stopped=stopped)
        except PandaError as error:
            return Failed(reason=str(error))
        except BaseException as error:  # the other runs go on
            if is_interrupt(error):
                raise
            return Failed(reason=described_whole(error))
        if not result.is_complete:
            return None
        return Finished(
            metrics=measured(Measured(results=results_of(portfolio), tally=tally)),
            ticks=result.ticks,
            fingerprint=result.fingerprint,
            problems=_problems(wired.observer),
        )


def refusals(
    settings: Settings,
    configs: Sequence[StrategyConfig],
    parameters: Mapping[str, Any],
    grid: Iterable[Combination],
) -> Mapping[int, str]:
    """The combinations that strategies refuse, by number, and why; ``parameters`` are set, too."""
    set_in = parameters_setter(settings)
    found: dict[int, str] = {}
    for combination in grid:
        try:
            set_in(configs, {**parameters, **combination.parameters})
        except StrategyRefusedError as error:
            found[combination.number] = str(error)
    return found


def run_plan(
    experiment: Experiment,
    plan: Plan,
    *,
    refused: Mapping[int, str],
    jobs: int,
    folder: Path,
    stopped: Callable[[], bool],
    on_progress: Callable[[int], None],
) -> Swept:
    """Make the runs of ``plan``.

    Args:
        experiment: what they are runs of.
        plan: which there are to be.
        refused: combinations that are known to fail, by number, and why.
        jobs: how many processes.
        folder: that of the mapped ticks.
        stopped: asked now and then; True ends it with the runs made so far.
        on_progress: told how many runs have been made.

    Raises:
        WorkersError: the processes cannot work at all.
    """
    arguments = (
        experiment.settings,
        experiment.ticks,
        [init_values(config) for config in experiment.configs],
        dict(experiment.parameters),
        experiment.capital,
        experiment.zone,
    )
    with Workers[Task, Outcome](
        _make_run,
        prepare=_prepare,
        arguments=arguments,
        jobs=min(jobs, plan.runs),
        folder=folder,
    ) as workers:
        count = 0

        def execute(tasks: Sequence[Task]) -> Iterator[Run]:
            nonlocal count
            for run in _made(workers, tasks, refused, stopped):
                count += 1
                on_progress(count)
                yield run

        return sweep(plan, execute)


def _made(
    workers: Workers[Task, Outcome],
    tasks: Sequence[Task],
    refused: Mapping[int, str],
    stopped: Callable[[], bool],
) -> Iterator[Run]:
    """The runs of ``tasks``, each when it is made."""
    to_make: list[Task] = []
    for task in tasks:
        reason = refused.get(task.combination.number)
        if reason is None:
            to_make.append(task)
        else:
            yield Run(task=task, outcome=Failed(reason=reason))
    for task, outcome in workers.run(to_make, stopped=stopped):
        match outcome:
            case Died():
                yield Run(
                    task=task,
                    outcome=Failed(
                        reason="its process ended before the run did, also when it ran alone"
                    ),
                )
            case Finished() | Failed():
                yield Run(task=task, outcome=outcome)
            case None:
                pass


_in_this_process: list[tuple[Experiment, Callable[[], bool]]] = []
"""In a worker process: what it makes runs of, and when it is to stop."""


def _prepare(
    stopped: Callable[[], bool],
    settings: Settings,
    ticks: MappedTicks,
    configs: Sequence[dict[str, Any]],
    parameters: Mapping[str, Any],
    capital: Decimal,
    zone: tzinfo,
) -> None:
    # What befalls strategies is told once, in the report, rather than by every run.
    logging.getLogger().addHandler(logging.NullHandler())
    collect_seldom()
    experiment = Experiment(
        settings=settings,
        ticks=ticks,
        configs=[StrategyConfig(**values) for values in configs],
        parameters=parameters,
        capital=capital,
        zone=zone,
    )
    _in_this_process.append((experiment, stopped))


def _make_run(task: Task) -> Outcome:
    ((experiment, stopped),) = _in_this_process
    return experiment.outcome(task, stopped)


def _problems(seen: Observer) -> tuple[str, ...]:
    """What befell strategies in a run, in words."""
    stopped = (
        f"strategy {status.strategy_id}"
        + ("" if status.instrument_token is None else f" on {status.instrument_token}")
        + f" stopped: {status.reason}"
        for status in seen.stopped
    )
    failed = (f"{kind} failed on {count:,} ticks" for kind, count in sorted(seen.failures.items()))
    return (*stopped, *failed)
