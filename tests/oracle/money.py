"""All comparisons of the money stages: risk, router and paper venue."""

from tests.oracle.fills import fill_differences
from tests.oracle.flow import routing_differences, signal_differences
from tests.oracle.limits import limit_differences
from tests.oracle.moments import moment_differences
from tests.oracle.partial_fills import partial_fill_differences
from tests.oracle.records import Schemas, Topics
from tests.oracle.reports import report_differences
from tests.oracle.rules import Rules
from tests.oracle.states import state_differences
from tests.oracle.world import read_world

TOPICS = (
    "ticks", "activations", "control",
    "signals", "orders", "paper-orders", "executions", "rejections",
    "signals.dlq", "orders.dlq", "paper-orders.dlq", "executions.dlq",
    "risk-state-changelog", "router-state-changelog", "paper-state-changelog",
)  # fmt: skip
"""What has to be read for it."""


def differences(topics: Topics, rules: Rules) -> list[str]:
    """Compare everything that the money stages left, after they have processed all there is.

    Args:
        topics: the records of ``TOPICS``, each topic by partition and offset.
        rules: settings of the workers.

    Returns:
        One sentence per difference: where it is, what was found and what was expected.
    """
    world = read_world(topics, rules, Schemas())
    return [
        *world.problems,
        *signal_differences(world),
        *routing_differences(world),
        *report_differences(world),
        *moment_differences(world),
        *limit_differences(world),
        *fill_differences(world),
        *partial_fill_differences(world),
        *state_differences(world),
    ]
