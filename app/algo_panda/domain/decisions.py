"""What a worker knew when it decided on an order."""

from typing import Final, NamedTuple

CURRENT_SECONDS: Final = 2.0
"""How old what a decision depends on may be."""


class Decision(NamedTuple):
    """How far a worker had read what its decisions depend on.

    It makes every order, rejection and report of ours reproducible: with the records before these
    offsets, these limits and this time, nothing else could have been decided.
    """

    decided_us: int
    """The present time that ages were measured at, microseconds since the epoch."""
    control_offset: int | None = None
    """Records of ``control`` with a lower offset were applied. None: ``control`` could not be
    read, so that every account was treated as halted."""
    executions_offset: int | None = None
    """Records of ``executions`` with a lower offset, in the partition of the instrument, were
    booked. None: the decision does not depend on executions."""
    limits_version: str | None = None
    """Version of the limits of risk. None: the decision does not depend on them."""
