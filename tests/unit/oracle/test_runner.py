"""The program's runner, crashed at any moment, against the independent model."""

import logging
from collections.abc import Generator

import pytest

from tests.unit.oracle.runner_pipeline import ACTIONS, Pipeline, rows


@pytest.fixture(autouse=True)
def _quiet() -> Generator[None]:
    """Strategies that fail as often as these would fill the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", range(16))
def test_crashes_at_any_moment_leave_no_difference(seed: int) -> None:
    pipeline = Pipeline(seed, rows())
    pipeline.storm(200)
    _compare(pipeline)
    assert len(pipeline.topics.raw()["signals"]) > 100


@pytest.mark.parametrize("seed", range(16, 19))
def test_strategies_rebuilt_of_the_last_ticks_leave_no_difference(seed: int) -> None:
    """They have so many ticks that marks are dropped."""
    bounded = [row for row in rows() if row.strategy_type in ("unit_bounded", "unit_warm")]
    pipeline = Pipeline(seed, bounded, tokens=(1001,), quarantine_after=1_000)
    pipeline.storm(400, [kind for kind in ACTIONS if kind != "change"])
    _compare(pipeline)
    assert len(pipeline.topics.raw()["ticks"]) > 500


def _compare(pipeline: Pipeline) -> None:
    pipeline.settle()
    found = pipeline.differences()
    assert not found, "\n".join(one[:400] for one in found[:: len(found) // 20 + 1])
