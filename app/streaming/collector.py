"""How often Python looks for reference cycles: seldom, because ticks make none.

What a tick makes is freed when its last reference goes. The collector, left as it is, walks over
every message, tick and signal in flight again and again and finds nothing: a sixth of the
time that ticks take.
"""

import gc

_THRESHOLDS = (100_000, 20, 20)
"""Objects made and not freed before a young collection; young ones before a middle one; middle
ones before a full one. The cycles that a strategy makes are collected all the same."""


def collect_seldom() -> None:
    """Have the collector run seldom from now on."""
    gc.set_threshold(*_THRESHOLDS)


def leave_alone_what_stays() -> None:
    """Take what there is now out of collections to come: modules, strategies, restored state.

    Call it again when much of that was replaced: what has become garbage since goes then.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
