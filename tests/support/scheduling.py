"""Which tests may run at the same time, where several processes share them."""

from xdist.scheduler import LoadScopeScheduling

IN_TURN = {
    "tests/chaos/": "faults",
    "tests/integration/streaming/test_liveness.py": "faults",
    "tests/docker/": "docker",
    "tests/integration/security/": "secured",  # one secured broker for all of them
}
"""Beginnings of test ids, and the group that they make: of a group, one test runs at a time."""


class GroupsFirst(LoadScopeScheduling):
    """Each group runs in one process, in its order, and before all else; other tests run anywhere.

    pytest-xdist 3.8 has marks for that, and ignores them with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(test_id: str) -> str:
    """The group of a test, or its own id."""
    return next((group for path, group in IN_TURN.items() if test_id.startswith(path)), test_id)
