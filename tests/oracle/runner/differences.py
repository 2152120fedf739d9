"""All comparisons of the runner's records."""

from functools import cache

from tests.oracle.records import Schemas, Topics
from tests.oracle.runner.outputs import Outputs
from tests.oracle.runner.passing import expect
from tests.oracle.runner.rules import RunnerRules
from tests.oracle.runner.states import state_differences
from tests.oracle.runner.user_code import UserCode
from tests.oracle.runner.versions import Versions

TOPICS = ("ticks", "activations", "signals", "rejections", "ticks.dlq", "runner-state-changelog")
"""What has to be read for it."""


def runner_differences(topics: Topics, rules: RunnerRules) -> list[str]:
    """Compare everything that the runners left, after they have processed all there is.

    Args:
        topics: the records of ``TOPICS``, each topic by partition and offset.
        rules: settings of the runners, and the rows of the database.

    Returns:
        One sentence per difference: where it is, what was found and what was expected.
    """
    schemas, code = _schemas(), UserCode(rules)
    versions = Versions(topics, rules, schemas)
    expected = expect(topics, rules, versions, code)
    return [
        *versions.problems,
        *versions.never_active(code),
        *Outputs(topics, rules, schemas).compare(expected),
        *state_differences(topics, rules, schemas, versions, expected),
    ]


@cache
def _schemas() -> Schemas:
    """Read the files once."""
    return Schemas()
