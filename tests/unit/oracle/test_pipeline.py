"""Risk, router and paper venue, crashed at any moment, against the independent model."""

import pytest

from tests.oracle.money import differences
from tests.unit.oracle.pipeline import RULES, Pipeline


@pytest.mark.parametrize("seed", range(30))
def test_crashes_at_any_moment_leave_no_difference(seed: int) -> None:
    pipeline = Pipeline(seed)
    pipeline.storm(1_000)
    pipeline.settle()
    topics = pipeline.broker.topics()
    assert len(topics["executions"]) > 50
    assert differences(topics, RULES) == []
