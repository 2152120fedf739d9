"""What one uninterrupted, single-threaded pass over the recorded ticks gives."""

from collections.abc import Iterable, Mapping
from typing import Any

from algo_panda.bootstrap import build_factory
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.signals import TradingSignal
from algo_panda.kafka.admin import connect, topic_ids
from algo_panda.runner.runner import StrategyRunner
from tests.support.system import Located, System


def uninterrupted(
    system: System, configs: Iterable[StrategyConfig], records: Iterable[Located]
) -> Mapping[str, Any]:
    """Signals and rejections by id, of the runner fed in this thread with what is on ``ticks``."""
    topic = system.settings.topic("ticks")
    topic_id = topic_ids(connect(system.connection), [topic])[topic]
    runner = StrategyRunner(configs=configs, factory=build_factory(system.settings))
    runner.start()
    partitions = {
        n: runner.partition(topic_id=topic_id, partition=n)
        for n in range(system.partitions["ticks"])
    }
    said: dict[str, Any] = {}
    for record in records:
        for outcome in partitions[record.partition].process(record.value, record.offset):
            is_signal = isinstance(outcome, TradingSignal)
            said[outcome.signal_id if is_signal else outcome.rejection_id] = outcome
    return said
