"""Risk, router and paper venue, crashed at any moment, against the independent model."""

from dataclasses import replace

import pytest

from tests.oracle.money import differences
from tests.unit.oracle.pipeline import INPUTS_OF_ALL, RULES, Pipeline


@pytest.mark.parametrize("seed", range(30))
def test_crashes_at_any_moment_leave_no_difference(seed: int) -> None:
    _run(seed, ("signals",), may_repeat=False)


@pytest.mark.parametrize("seed", range(30, 45))
def test_records_that_come_again_leave_no_difference(seed: int) -> None:
    _run(seed, INPUTS_OF_ALL, may_repeat=True)


def _run(seed: int, repeated: tuple[str, ...], *, may_repeat: bool) -> None:
    pipeline = Pipeline(seed, repeated)
    pipeline.storm(1_000)
    pipeline.settle()
    topics = pipeline.broker.topics()
    assert len(topics["executions"]) > 50
    found = differences(topics, replace(RULES, may_repeat=may_repeat))
    assert not found, "\n".join(found)
