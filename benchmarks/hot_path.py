"""``python -m benchmarks.hot_path``: what a tick costs in the runner's operator, without a broker.

Real messages of the client library go through ``RunnerOperator.process`` batch by batch, and one
by one through the work of the raw loop, in turn. ``--profile`` shows where the time goes.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated
from uuid import uuid5

import typer
from confluent_kafka import Message
from prometheus_client import CollectorRegistry
from rich.console import Console

from algo_panda.bootstrap import build_factory
from algo_panda.domain.config import StrategyConfig
from algo_panda.observability.catalogue import Catalogue
from algo_panda.observability.telemetry import PrometheusTelemetry
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from algo_panda.streaming.operator import PartitionOperator, Start
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.ports import RunnerTopics
from algo_panda.streaming.operators.runner import RunnerOperator
from algo_panda.streaming.operators.versions import StrategyVersions
from algo_panda.streaming.state_codec import InstrumentRecordCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from benchmarks.options import RECORDED
from benchmarks.ours import rsi_strategy
from benchmarks.profile import ProfileError, shares
from benchmarks.tables import shown, table
from benchmarks.ticks import load_trades, spread
from benchmarks.work import STRATEGY_TYPE, TickWork, encode_tick

_TOPIC = "ticks"
_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"
_LEAST_SHARE = 0.005
"""Of the time, for a function to be shown."""


def main(
    ticks: Annotated[int, typer.Option(min=1000)] = 300_000,
    instruments: int = 64,
    strategies: Annotated[int, typer.Option(min=1, help="On every instrument.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Messages handed over at a time.")] = 4_000,
    runs: Annotated[int, typer.Option(min=1)] = 5,
    profile: Annotated[bool, typer.Option(help="Show where the time goes.")] = False,
    data: Path = RECORDED,
) -> None:
    if profile:
        _profile([argument for argument in sys.argv[1:] if argument != "--profile"])
        return
    messages = make_messages(data if data.is_file() else None, instruments, ticks)
    configs = _configs(instruments, strategies)
    ours: list[float] = []
    raw: list[float] = []
    snapshots: list[float] = []
    for _ in range(runs):
        operator = make_operator(configs)
        ours.append(_seconds(lambda: _process(operator, messages, batch)))  # noqa: B023 - called at once
        snapshots.append(_seconds(lambda: list(operator.changed())))  # noqa: B023 - called at once
        raw.append(_seconds(lambda: _loop(messages)))
    _say("RunnerOperator.process", ours, ticks, "tick")
    _say("the raw loop's work", raw, ticks, "tick")
    _say("RunnerOperator.changed", snapshots, instruments * strategies, "processor")
    print(f"raw / ours: {statistics.median(raw) / statistics.median(ours):.2f}")


def make_messages(data: Path | None, instruments: int, ticks: int) -> list[Message]:
    """The ticks of the throughput benchmark, all in one partition."""
    return [
        Message(
            topic=_TOPIC,
            partition=0,
            offset=offset,
            key=b"%d" % row.token,
            value=encode_tick(*row),
            timestamp=(2, row.event_time_us // 1000 + 5),
        )
        for offset, row in enumerate(spread(load_trades(data), instruments, ticks))
    ]


def make_operator(configs: Sequence[StrategyConfig]) -> PartitionOperator:
    """An operator as the worker has it."""
    settings = Settings(
        _env_file=None,
        processors={STRATEGY_TYPE: "algo_panda.strategies.rules_rsi.create_processor"},
    )
    telemetry = PrometheusTelemetry(Catalogue(CollectorRegistry()))
    runner = StrategyRunner(configs=configs, factory=build_factory(settings), telemetry=telemetry)
    runner.start()
    codecs = load_codecs()
    operator = RunnerOperator(
        partition=0,
        topic_id=_TOPIC_ID,
        versions=StrategyVersions(current=runner, configs=configs, runner_of=lambda _: runner),
        ticks=codecs.ticks,
        signals=codecs.signals,
        rejections=codecs.rejections,
        activations=codecs.activations,
        states=InstrumentRecordCodec(load_catalogue()),
        topics=RunnerTopics(
            ticks=_TOPIC, signals="signals", rejections="rejections", activations="activations"
        ),
        dead_letters=DeadLetterWriter(
            topics={_TOPIC: "ticks.dlq"}, telemetry=telemetry, app_version=version("algo-panda")
        ),
        telemetry=telemetry,
    )
    operator.restore({}, Start(offsets={_TOPIC: 0}, is_settled=True))
    return operator


def _configs(instruments: int, strategies: int) -> list[StrategyConfig]:
    first = rsi_strategy(instruments)
    return [replace(first, id=uuid5(first.id, str(number))) for number in range(strategies)]


def _process(operator: PartitionOperator, messages: Sequence[Message], batch: int) -> None:
    for start in range(0, len(messages), batch):
        operator.process(_TOPIC, messages[start : start + batch])


def _loop(messages: Sequence[Message]) -> None:
    work = TickWork(_TOPIC_ID)
    for message in messages:
        work.on_tick(message.value() or b"", message.partition() or 0, message.offset() or 0)


def _seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def _say(what: str, seconds: list[float], count: int, unit: str) -> None:
    each = [1e6 * one / count for one in seconds]
    print(
        f"{what:<24} {shown(statistics.median(each))} CPU µs per {unit}"
        f" ({shown(min(each))} to {shown(max(each))}, {len(each)} runs)"
    )


def _profile(options: Sequence[str]) -> None:
    within = f"{RunnerOperator.__name__}.{RunnerOperator.process.__name__}"
    try:
        found = shares(["-m", "benchmarks.hot_path", *options], within=within)
    except ProfileError as error:
        sys.exit(f"no profile: {error}")
    rows = [
        (one.function, f"{one.itself:.1%}", f"{one.with_callees:.1%}")
        for one in found
        if one.with_callees >= _LEAST_SHARE
    ]
    Console(width=130).print(
        table(f"Of the time in {within}", ("function", "itself", "with what it calls"), rows)
    )


if __name__ == "__main__":
    typer.run(main)
