"""How runs are ranked, chosen and put together, whoever makes them and in whatever order."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.replay import metrics
from algo_panda.replay.fingerprint import Fingerprint
from algo_panda.replay.grid import Axis, Grid
from algo_panda.replay.metrics import METRICS, Metric, Value
from algo_panda.replay.sweep import Execute, Failed, Finished, Part, Plan, Run, Swept, Task, sweep
from algo_panda.replay.sweep_report import SweepReport
from algo_panda.replay.windows import Span, Window

GRID = Grid(axes=(Axis(name="a", values=(1, 2)), Axis(name="b", values=(10, 20, 30))))
WINDOWS = tuple(
    Window(
        number=n,
        in_sample=Span(from_us=10 * n, to_us=10 * n + 20),
        out_of_sample=Span(from_us=10 * n + 20, to_us=10 * n + 30),
    )
    for n in (1, 2, 3)
)
WHOLE = Plan(combinations=list(GRID), rank_by="net_profit")
SPLIT = Plan(combinations=list(GRID), rank_by="net_profit", window_count=1, windows=WINDOWS[:1])
WALK = Plan(
    combinations=list(GRID),
    rank_by="net_profit",
    window_count=3,
    windows=WINDOWS,
    is_walk_forward=True,
)


def finished(**values: Value) -> Finished:
    found: dict[str, Value] = dict.fromkeys(METRICS, 0)
    return Finished(
        metrics={**found, **values},
        ticks=1,
        fingerprint=Fingerprint(ticks="t", configuration="c", signals="s", fills="f"),
    )


def profits(task: Task) -> Decimal:
    """The later the window, the better a large b; out-of-sample, all lose a little."""
    a, b = task.combination.parameters.values()
    return Decimal(a + b * (task.window - 2) - 100 * (task.part is Part.OUT_OF_SAMPLE))


def executing(
    *, seed: int = 0, most: int = 10_000, failing: Mapping[int, str] | None = None
) -> Execute:
    """Makes runs in an order of its own, and at most so many."""
    random = Random(seed)
    made = 0

    def execute(tasks: Sequence[Task]) -> Iterator[Run]:
        nonlocal made
        for task in random.sample(tasks, len(tasks)):
            if made == most:
                return
            made += 1
            reason = (failing or {}).get(task.combination.number)
            yield Run(
                task=task,
                outcome=finished(net_profit=profits(task))
                if reason is None
                else Failed(reason=reason),
            )

    return execute


def numbers(swept: Swept, part: Part, window: int = 1) -> list[int]:
    return [run.task.combination.number for run, _ in swept.ranked(part, window)]


def report(swept: Swept) -> Mapping[str, Any]:
    return SweepReport(
        source="s",
        ticks=100,
        unusable={},
        configs=(),
        parameters={},
        grid=GRID,
        in_sample=0.7,
        swept=swept,
    ).as_object()


@given(st.sampled_from([WHOLE, SPLIT, WALK]), st.integers())
def test_the_order_in_which_runs_are_done_leaves_no_mark(plan: Plan, seed: int) -> None:
    one, other = (sweep(plan, executing(seed=s)) for s in (0, seed))
    assert report(one) == report(other)
    assert one.is_complete
    assert len(one.runs) == plan.runs


def test_the_best_is_first_and_of_equals_the_earlier() -> None:
    # In the first window a counts for, and b against.
    assert numbers(sweep(WHOLE, executing()), Part.WHOLE) == [4, 1, 5, 2, 6, 3]
    even = sweep(WHOLE, lambda tasks: [Run(task=t, outcome=finished()) for t in reversed(tasks)])
    assert numbers(even, Part.WHOLE) == [1, 2, 3, 4, 5, 6]


def test_what_has_no_value_is_last_and_less_may_be_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawdown = Metric(of=lambda _: None, is_more_better=False, is_sum=False)
    monkeypatch.setattr(metrics, "METRICS", METRICS)
    monkeypatch.setitem(METRICS, "drawdown", drawdown)
    values: list[Value] = [None, 0.5, Decimal("0.25"), None, 3, 0]
    plan = Plan(combinations=list(GRID), rank_by="drawdown")
    swept = sweep(
        plan,
        lambda tasks: [
            Run(task=task, outcome=finished(drawdown=value))
            for task, value in zip(tasks, values, strict=True)
        ],
    )
    assert numbers(swept, Part.WHOLE) == [6, 3, 2, 5, 1, 4]
    assert swept.total(Part.OUT_OF_SAMPLE, "drawdown") is None


def test_in_a_walk_forward_the_best_of_a_window_is_run_on_what_follows() -> None:
    swept = sweep(WALK, executing())
    assert [numbers(swept, Part.IN_SAMPLE, n)[0] for n in (1, 2, 3)] == [4, 4, 6]
    assert [numbers(swept, Part.OUT_OF_SAMPLE, n) for n in (1, 2, 3)] == [[4], [4], [6]]
    spans = [run.task.span for run in swept.runs if run.task.part is Part.OUT_OF_SAMPLE]
    assert spans == [window.out_of_sample for window in WINDOWS]
    assert swept.total(Part.IN_SAMPLE, "net_profit") == (2 - 10) + 2 + (2 + 30)
    assert swept.total(Part.OUT_OF_SAMPLE, "net_profit") == (2 - 10) + 2 + (2 + 30) - 300
    said = report(swept)
    assert [window["chosen"]["combination"] for window in said["windows"]] == [4, 4, 6]
    assert said["out_of_sample"]["net_profit"] == "-274"


def test_in_a_split_all_are_run_on_both_parts() -> None:
    swept = sweep(SPLIT, executing())
    assert numbers(swept, Part.IN_SAMPLE) == numbers(swept, Part.OUT_OF_SAMPLE)
    assert len(swept.runs) == 12


def test_one_that_fails_is_named_and_the_others_are_ranked() -> None:
    swept = sweep(WALK, executing(failing={4: "lower is above upper"}))
    assert swept.is_complete
    assert [numbers(swept, Part.OUT_OF_SAMPLE, n) for n in (1, 2, 3)] == [[1], [5], [6]]
    assert 4 not in numbers(swept, Part.IN_SAMPLE)
    assert [failed.reason for _, failed in swept.failures] == ["lower is above upper"] * 3
    (row, *_) = [row for row in report(swept)["runs"] if row["error"]]
    assert (row["rank"], row["parameters"]) == (None, {"a": 2, "b": 10})


@given(st.sampled_from([WHOLE, SPLIT, WALK]), st.integers(0, 20), st.integers())
def test_what_was_stopped_says_that_it_is_partial(plan: Plan, most: int, seed: int) -> None:
    swept = sweep(plan, executing(most=most, seed=seed))
    assert swept.is_complete == (most >= plan.runs)
    assert len(swept.runs) == min(most, plan.runs)
    said = report(swept)
    assert said["outcome"] == ("complete" if swept.is_complete else "partial")
    assert len(said["runs"]) == said["runs_made"] == len(swept.runs)


@given(st.integers(0, 18), st.integers())
def test_nothing_is_chosen_in_a_window_that_was_not_gone_through(most: int, seed: int) -> None:
    swept = sweep(WALK, executing(most=most, seed=seed))
    assert not any(run.task.part is Part.OUT_OF_SAMPLE for run in swept.runs)


def test_there_are_no_runs_on_ticks_that_were_not_read_to_their_end() -> None:
    cut_short = Plan(
        combinations=list(GRID), rank_by="net_profit", window_count=3, is_walk_forward=True
    )
    swept = sweep(cut_short, executing())
    assert (len(swept.runs), swept.is_complete) == (0, False)
    said = report(swept)
    assert (said["outcome"], said["walk_forward"], said["runs_planned"]) == ("partial", 3, 21)
