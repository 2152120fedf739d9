"""Risk, router and paper venue, crashed at any moment, against the independent model."""

from dataclasses import replace

import pytest

from tests.oracle.money import differences
from tests.oracle.rules import Rules
from tests.unit.oracle.pipeline import INPUTS_OF_ALL, RULES, Pipeline


@pytest.mark.parametrize("seed", range(30))
def test_crashes_at_any_moment_leave_no_difference(seed: int) -> None:
    _run(seed, ("signals",), may_repeat=False)


@pytest.mark.parametrize("seed", range(30, 45))
def test_records_that_come_again_leave_no_difference(seed: int) -> None:
    _run(seed, INPUTS_OF_ALL, may_repeat=True)


@pytest.mark.parametrize("seed", range(45, 54))
def test_orders_that_wait_for_the_venue_for_minutes_leave_no_difference(seed: int) -> None:
    """Some expire there; risk counts those without a report no more after a while."""
    pipeline = Pipeline(seed, ("signals",))
    pipeline.storm(1_000, pauses=True)
    pipeline.settle()
    _compare(pipeline, replace(RULES, oldest_cut_ms=None))
    reports = pipeline.broker.topics()["executions"]
    assert any(b"it was sent to the paper venue at" in (r.value or b"") for r in reports)


def _run(seed: int, repeated: tuple[str, ...], *, may_repeat: bool) -> None:
    pipeline = Pipeline(seed, repeated)
    pipeline.storm(1_000)
    pipeline.settle()
    assert len(pipeline.broker.topics()["executions"]) > 50
    _compare(pipeline, replace(RULES, may_repeat=may_repeat))


def _compare(pipeline: Pipeline, rules: Rules) -> None:
    found = differences(pipeline.broker.topics(), rules)
    assert not found, "\n".join(found)
