"""``rules_rsi`` under another name, which notes when a worker handles its first tick.

Processors are made when the first tick of their instrument comes, but for the one that is made at
start-up, on the first instrument of the row. The strategy that is added here has a first
instrument that never trades, so the first of the others that is made says that ticks flow: at most
one batch has been decoded by then. What runs is ``rules_rsi`` itself, as it is.
"""

import json
import os
import time
from pathlib import Path

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from algo_panda.strategies import rules_rsi

MARK_VARIABLE = "BENCH_MARK"
SILENT_TOKEN = 1

_marked: list[bool] = []


def create_processor(config: StrategyConfig, context: ExecutionContext) -> rules_rsi.RulesRsi:
    if not _marked and context.instrument_token != SILENT_TOKEN:
        _marked.append(True)
        mark = {"first": time.time(), "cpu_before": time.process_time()}
        folder = Path(os.environ[MARK_VARIABLE])
        (folder / f"mark-{os.getpid()}.json").write_text(json.dumps(mark))
    return rules_rsi.create_processor(config, context)
