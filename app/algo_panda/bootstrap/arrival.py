"""Policy for irregular ticks, from the settings."""

from algo_panda.runner.arrival import ArrivalPolicy, TickPolicy
from algo_panda.settings import Settings


def arrival_policy(settings: Settings) -> ArrivalPolicy:
    """Return the policy for duplicate ticks and ticks out of order."""
    return ArrivalPolicy(
        duplicates=TickPolicy(settings.duplicate_ticks),
        out_of_order=TickPolicy(settings.out_of_order_ticks),
    )
