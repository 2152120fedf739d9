"""Wires ``panda replay --check-bias``: the same strategies on several cuts of the same ticks."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from algo_panda.bootstrap.replay import wired_replay
from algo_panda.domain.config import StrategyConfig
from algo_panda.replay.bias import BiasReport, Heard, check_bias
from algo_panda.replay.mapped import MappedTicks
from algo_panda.replay.ticks import RecordedTicks
from algo_panda.settings import Settings


def bias_of(
    settings: Settings,
    ticks: MappedTicks,
    configs: Sequence[StrategyConfig],
    *,
    stopped: Callable[[], bool],
    on_progress: Callable[[int], None],
) -> BiasReport:
    """See whether strategies look ahead, and how long they take to be warm.

    Args:
        settings: of this process.
        ticks: all of them.
        configs: the strategies; where their orders would go does not matter here.
        stopped: asked now and then; True ends it.
        on_progress: told how many of ``algo_panda.replay.bias.RUNS`` runs were made.

    Raises:
        PandaError: strategies or ticks cannot be used.
    """
    silent = [replace(config, active_brokers=()) for config in configs]

    def run(source: RecordedTicks) -> Heard | None:
        heard = Heard()
        with wired_replay(settings, source, silent, [heard]) as wired:
            result = wired.replay.run(stopped=stopped)
        return heard if result.is_complete else None

    strategies = {config.strategy_id: config.strategy_type for config in configs}
    return check_bias(ticks, run, strategies, on_progress=on_progress)
