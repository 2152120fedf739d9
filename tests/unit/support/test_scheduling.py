from pathlib import Path

import pytest

from tests.support.scheduling import IN_TURN, group_of

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", IN_TURN)
def test_what_is_to_run_in_turn_is_there(path: str) -> None:
    assert (CHECKOUT / path).exists()
    assert CHECKOUT.joinpath(path).is_dir() == path.endswith("/")


def test_tests_of_a_group_are_kept_together_and_others_are_not() -> None:
    chaos, liveness, docker, other = (
        "tests/chaos/test_chaos.py::test_one",
        "tests/integration/streaming/test_liveness.py::test_one[x]",
        "tests/docker/test_compose.py::test_one",
        "tests/integration/streaming/test_changelog.py::test_one",
    )
    assert group_of(chaos) == group_of(liveness) != group_of(docker)
    assert group_of(other) == other
