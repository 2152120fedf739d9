"""How often Python looks for reference cycles: seldom, because ticks make none.

What a tick makes is freed when its last reference goes. The collector, left as it is, walks over
every message, tick and signal in flight again and again and finds nothing: a sixth of the
time that ticks take.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager

_THRESHOLDS = (100_000, 20, 20)
"""Objects made and not freed before a young collection; young ones before a middle one; middle
ones before a full one. The cycles that a strategy makes are collected all the same."""


def collect_seldom() -> None:
    """Have the collector run seldom from now on."""
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def making_what_stays() -> Generator[None]:
    """Within it, strategies and their state are made, which later collections leave alone.

    What has become garbage before goes first, while there is little to look through: to look
    through tens of thousands of strategies takes seconds in which no other thread runs, not even
    the one that tells the group that the worker is alive.
    """
    gc.unfreeze()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
