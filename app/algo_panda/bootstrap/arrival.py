"""What is to become of irregular ticks, as the settings say it."""

from algo_panda.runner.arrival import ArrivalPolicy, TickPolicy
from algo_panda.settings import Settings


def arrival_policy(settings: Settings) -> ArrivalPolicy:
    """What is to become of irregular ticks."""
    return ArrivalPolicy(
        duplicates=TickPolicy(settings.duplicate_ticks),
        out_of_order=TickPolicy(settings.out_of_order_ticks),
    )
