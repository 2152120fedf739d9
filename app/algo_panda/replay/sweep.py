"""One run for every combination of parameters, ranked; or in windows, to see what a rank is worth.

The runs are made elsewhere, in any order: what is made of them does not depend on it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from algo_panda.replay.fingerprint import Fingerprint
from algo_panda.replay.grid import Combination
from algo_panda.replay.metrics import METRICS, Value
from algo_panda.replay.windows import Span, Window


class Part(StrEnum):
    """Which ticks a run is on."""

    WHOLE = "whole"
    IN_SAMPLE = "in_sample"
    """Those that parameters are chosen on."""
    OUT_OF_SAMPLE = "out_of_sample"
    """Later ones, which judge the choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A run to be made."""

    combination: Combination
    part: Part = Part.WHOLE
    window: int = 1
    span: Span | None = None
    """None: all ticks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a run came to."""

    metrics: Mapping[str, Value]
    """By the names of ``METRICS``."""
    ticks: int
    fingerprint: Fingerprint
    """That of ``panda replay`` with the same ticks and parameters."""
    problems: tuple[str, ...] = ()
    """What befell strategies in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A run could not be made, or not to its end."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that was made."""

    task: Task
    outcome: Finished | Failed


Execute = Callable[[Sequence[Task]], Iterable[Run]]
"""Makes runs; fewer than were asked for where it was told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sweep is to do."""

    combinations: Sequence[Combination]
    window_count: int = 0
    """0: every run is on all ticks."""
    windows: Sequence[Window] = ()
    """So many, or none where the ticks were not read to their end: then there are no runs."""
    is_walk_forward: bool = False
    """Whether only the best in the sample of a window is run on what follows; else all are."""
    rank_by: str
    """A name in ``METRICS``."""

    @property
    def runs(self) -> int:
        """How many runs there will be."""
        in_each = len(self.combinations)
        if self.is_walk_forward:
            return self.window_count * (in_each + 1)
        return in_each * (2 * self.window_count or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What came of a sweep."""

    plan: Plan
    runs: Sequence[Run]
    """By window, part and combination."""
    is_complete: bool
    """Whether all runs were made; those that failed count as made."""

    def ranked(self, part: Part, window: int = 1) -> Sequence[tuple[Run, Finished]]:
        """The runs of a part that came to their end, best first; of equals the earlier one."""
        found = [
            (run, run.outcome)
            for run in self.runs
            if run.task.part is part
            and run.task.window == window
            and isinstance(run.outcome, Finished)
        ]
        return sorted(
            found,
            key=lambda one: (*_rank(one[1], self.plan.rank_by), one[0].task.combination.number),
        )

    @property
    def failures(self) -> Sequence[tuple[Run, Failed]]:
        """The runs that failed."""
        return [(run, run.outcome) for run in self.runs if isinstance(run.outcome, Failed)]

    def total(self, part: Part, metric: str) -> Value:
        """``metric`` of all windows of a walk-forward together, of what was chosen in each.

        None where it is no sum, or no window was gone through.
        """
        values: list[Value] = []
        for window in self.plan.windows:
            (chosen, *_) = self.ranked(Part.OUT_OF_SAMPLE, window.number) or (None,)
            if chosen is not None:
                number = chosen[0].task.combination.number
                values += [
                    finished.metrics[metric]
                    for run, finished in self.ranked(part, window.number)
                    if run.task.combination.number == number
                ]
        known = [value for value in values if value is not None]
        if not METRICS[metric].is_sum or not known or len(known) < len(values):
            return None
        if all(isinstance(value, int) for value in known):
            return sum(map(int, known))
        return sum(map(Decimal, known), Decimal(0))


def sweep(plan: Plan, execute: Execute) -> Swept:
    """Make all runs of ``plan``."""
    if not plan.window_count:
        runs = list(execute([Task(combination=one) for one in plan.combinations]))
    elif plan.is_walk_forward:
        runs = list(execute(_tasks(plan, Part.IN_SAMPLE)))
        runs += execute(_tasks_of_the_best(plan, runs))
    else:
        runs = list(execute(_tasks(plan, Part.IN_SAMPLE) + _tasks(plan, Part.OUT_OF_SAMPLE)))
    parts = list(Part)
    runs.sort(
        key=lambda run: (
            run.task.window,
            parts.index(run.task.part),
            run.task.combination.number,
        )
    )
    return Swept(plan=plan, runs=runs, is_complete=len(runs) == plan.runs)


def _tasks(plan: Plan, part: Part) -> list[Task]:
    return [_task(one, part, window) for window in plan.windows for one in plan.combinations]


def _task(combination: Combination, part: Part, window: Window) -> Task:
    span = window.in_sample if part is Part.IN_SAMPLE else window.out_of_sample
    return Task(combination=combination, part=part, window=window.number, span=span)


def _tasks_of_the_best(plan: Plan, runs: Sequence[Run]) -> Sequence[Task]:
    """The best of every window goes on, where all of the window's runs were made."""
    found: list[Task] = []
    for window in plan.windows:
        of_window = [run for run in runs if run.task.window == window.number]
        ranked = Swept(plan=plan, runs=of_window, is_complete=False).ranked(
            Part.IN_SAMPLE, window.number
        )
        if ranked and len(of_window) == len(plan.combinations):
            found.append(_task(ranked[0][0].task.combination, Part.OUT_OF_SAMPLE, window))
    return found


def _rank(run: Finished, metric: str) -> tuple[bool, Decimal]:
    """What to sort by."""
    value = run.metrics[metric]
    if value is None:
        return True, Decimal(0)
    number = Decimal(value)
    return False, -number if METRICS[metric].is_more_better else number
