"""Which strategy versions ran on a partition, from which tick on, as ``activations`` tell."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.config import StrategyConfig
from app.domain.config_json import config_of
from app.domain.errors import BadInputError
from app.domain.trading import Activation


class UnknownVersionError(BadInputError):
    """A strategy version ran, and nothing says how it was configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a partition on which the same versions ran."""

    first_offset: int
    configs: tuple[StrategyConfig, ...]


def segments(
    activations: Iterable[Activation], *, topic_id: str, partition: int
) -> Sequence[Segment]:
    """The stretches of a partition, rising; none where no strategy was ever active on it.

    Args:
        activations: the records of the topic, in its order.
        topic_id: Kafka's id of the topic of ticks.
        partition: of ``ticks``.

    Raises:
        UnknownVersionError: a record of an earlier program, which does not say what ran.
    """
    running: dict[tuple[str, int], StrategyConfig] = {}
    found: dict[int, tuple[StrategyConfig, ...]] = {}
    for told in activations:
        if (told.tick_topic_id, told.tick_partition) != (topic_id, partition):
            continue
        key = (told.strategy_id, told.strategy_version)
        if told.active:
            running[key] = _config(told)
        else:
            running.pop(key, None)
        found[told.tick_offset] = tuple(running.values())
    return [Segment(first_offset=at, configs=configs) for at, configs in sorted(found.items())]


def _config(told: Activation) -> StrategyConfig:
    if told.configuration is None:
        raise UnknownVersionError(
            f"version {told.strategy_version} of strategy {told.strategy_id} became active on"
            f" partition {told.tick_partition} at offset {told.tick_offset}, and the record of it"
            " does not hold its configuration: it is from before that was recorded. Change and"
            " start the strategy anew, and verify from there on"
        )
    return config_of(json.loads(told.configuration))
