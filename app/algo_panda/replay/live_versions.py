"""Which strategy versions ran on a partition, from which tick on, as ``activations`` tell."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.config_json import config_of
from algo_panda.domain.trading import Activation

Version = tuple[str, int]
"""Strategy id and version."""

_SWITCHED_OFF_AND_ON = 2
"""By how much the version of a row rises if it is disabled and enabled again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a partition on which the same versions ran."""

    first_offset: int
    configs: tuple[StrategyConfig, ...]
    unknown: frozenset[Version] = frozenset()
    """Those that ran as well, and that no record says the configuration of: it is from before
    activations held it."""


class Gap(NamedTuple):
    """Ticks that a strategy did not see, although nobody disabled its row."""

    strategy_id: str
    strategy_type: str
    ended_version: int
    begun_version: int
    first_offset: int
    end_offset: int
    """Behind the last tick that it did not see."""


def gaps(activations: Iterable[Activation], *, topic_id: str, partition: int) -> Sequence[Gap]:
    """Return the gaps between versions of the strategies on a partition, by offset.

    To disable a row and to enable it again are two changes of it, each of which increments its
    version. So a version that ends, and is followed later by itself or by the next one, was not
    disabled: the runner in between did not know the strategy.

    Args:
        activations: the records of the topic, in its order.
        topic_id: Kafka's id of the topic of ticks.
        partition: of ``ticks``.
    """
    ended: dict[str, Activation] = {}
    found: list[Gap] = []
    for told in activations:
        if (told.tick_topic_id, told.tick_partition) != (topic_id, partition):
            continue
        if not told.active:
            ended[told.strategy_id] = told
            continue
        before = ended.pop(told.strategy_id, None)
        if before is None or before.tick_offset >= told.tick_offset:
            continue
        if told.strategy_version - before.strategy_version < _SWITCHED_OFF_AND_ON:
            found.append(
                Gap(
                    told.strategy_id,
                    told.strategy_type,
                    before.strategy_version,
                    told.strategy_version,
                    before.tick_offset,
                    told.tick_offset,
                )
            )
    return sorted(found, key=lambda gap: (gap.first_offset, gap.strategy_id))


def segments(
    activations: Iterable[Activation], *, topic_id: str, partition: int
) -> Sequence[Segment]:
    """The stretches of a partition, rising; none where no strategy was ever active on it.

    Args:
        activations: the records of the topic, in its order.
        topic_id: Kafka's id of the topic of ticks.
        partition: of ``ticks``.
    """
    running: dict[Version, StrategyConfig | None] = {}
    found: dict[int, Segment] = {}
    for told in activations:
        if (told.tick_topic_id, told.tick_partition) != (topic_id, partition):
            continue
        key = (told.strategy_id, told.strategy_version)
        if told.active:
            running[key] = _config(told)
        else:
            running.pop(key, None)
        found[told.tick_offset] = Segment(
            first_offset=told.tick_offset,
            configs=tuple(config for config in running.values() if config is not None),
            unknown=frozenset(which for which, config in running.items() if config is None),
        )
    return [found[at] for at in sorted(found)]


def _config(told: Activation) -> StrategyConfig | None:
    return None if told.configuration is None else config_of(json.loads(told.configuration))
