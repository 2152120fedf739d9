"""What processors say of themselves, checked: a strategy may return anything, so it is ``Any``."""

import logging
from typing import Any, Final, cast

from algo_panda.domain.arithmetic import computing_in
from algo_panda.domain.containment import is_interrupt, name_of
from algo_panda.domain.executor import StrategyExecutor
from algo_panda.domain.offers import offers
from algo_panda.domain.protocols import HasModelDigest, Snapshots
from algo_panda.domain.signals import SignalResult
from algo_panda.runner.explain import described, shown

logger = logging.getLogger(__name__)

LONGEST_REASONING: Final = 10_000
"""Characters of a signal's reasoning; a record is at most a megabyte."""

LARGEST_SNAPSHOT: Final = 1024 * 1024
"""Bytes of one processor's state."""

LARGEST_SNAPSHOTS: Final = 8 * LARGEST_SNAPSHOT
"""Bytes of the states of all strategies on an instrument: a record of the changelog holds them,
with history and bars, and the broker takes records of at most 10 MiB."""


def snapshot_of(processor: Snapshots, room: int) -> bytes:
    """Its state.

    Args:
        processor: asked for it.
        room: bytes that are left for it in the record of its instrument.

    Raises:
        TypeError: it is not bytes.
        ValueError: it is too large.
        BaseException: whatever the processor raises.
    """
    state: object = cast("Any", processor).snapshot()
    if type(state) is not bytes:
        raise TypeError(f"it returned {name_of(state)}, not bytes")
    if len(state) > LARGEST_SNAPSHOT:
        raise ValueError(f"it returned {len(state)} bytes, above the {LARGEST_SNAPSHOT} allowed")
    if len(state) > room:
        raise ValueError(
            f"it returned {len(state)} bytes, and the snapshots of one instrument are"
            f" above the {LARGEST_SNAPSHOTS} allowed together"
        )
    return state


def problem_in_reasoning(result: SignalResult) -> str | None:
    """What is wrong with its reasoning, or None."""
    said: object = cast("tuple[object, ...]", result)[4]  # by place: found sooner
    if said is None or (type(said) is str and len(said) <= LONGEST_REASONING):
        return None
    return f"reasoning is not text of at most {LONGEST_REASONING} characters"


def model_digest_of(executor: StrategyExecutor) -> str | None:
    """The digest of its model, where it has one and can say so."""
    processor = executor.processor
    try:
        with computing_in(executor.arithmetic):
            if not offers(processor, HasModelDigest):
                return None
            digest: object = cast("Any", processor).model_digest
    except BaseException as error:  # a strategy may raise anything
        if is_interrupt(error):
            raise
        logger.warning("strategy %s: model_digest failed: %s", executor.config.id, described(error))
        return None
    return None if digest is None else shown(digest)
