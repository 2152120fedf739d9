"""The runner between its topics: what it records, and what it is rebuilt from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalResult
from algo_panda.streaming.operator import MessageHeaders, Output, Start, latest
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.ports import RunnerTopics, SilentStageTelemetry
from algo_panda.streaming.operators.runner import RunnerOperator
from algo_panda.streaming.operators.versions import (
    STRATEGIES_KEY,
    StrategyVersions,
    decode_configs,
)
from algo_panda.streaming.state_codec import InstrumentRecordCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.processors import Talker
from tests.unit.fakes.rig import start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, buy, config, tick

CODECS = load_codecs()
BOTH = (TOKEN, OTHER_TOKEN)


class Adding:
    """Says the sum of all prices. Has no snapshot."""

    history_size = 0

    def __init__(self) -> None:
        self.total = 0

    def process_tick(
        self, current: MarketTick, _history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        self.total += int(current.last_price)
        return buy(price=current.last_price, reasoning=str(self.total))


@dataclass(frozen=True)
class Record:
    """A tick of ``token``, under the key of another instrument if one is given."""

    at: int
    token: int
    under: int | None = None

    def topic(self) -> str:
        return "ticks"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return b"%d" % (self.token if self.under is None else self.under)

    def value(self) -> bytes:
        return CODECS.ticks.encode(tick(100 + self.at, token=self.token, seconds=self.at))

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)

    def headers(self) -> MessageHeaders:
        return None


def operator(*configs: StrategyConfig) -> RunnerOperator:
    rig = start(*configs, processors={"talker": Talker, "adding": Adding})
    return RunnerOperator(
        partition=3,
        topic_id="topic-a",
        versions=StrategyVersions(
            current=rig.runner, configs=configs, runner_of=lambda _: rig.runner
        ),
        ticks=CODECS.ticks,
        signals=CODECS.signals,
        rejections=CODECS.rejections,
        activations=CODECS.activations,
        states=InstrumentRecordCodec(load_catalogue()),
        topics=RunnerTopics(
            ticks="ticks", signals="signals", rejections="rejections", activations="activations"
        ),
        dead_letters=DeadLetterWriter(
            topics={"ticks": "ticks.dlq"}, telemetry=SilentStageTelemetry(), app_version="1"
        ),
        telemetry=SilentStageTelemetry(),
    )


def restored(made: RunnerOperator, state: Mapping[bytes, bytes], at: int) -> list[Output]:
    """Restore the state; return what is announced."""
    beginning = made.restore(state, Start(offsets={"ticks": at}, is_settled=True))
    return list(beginning.announcements)


def announced(outputs: list[Output]) -> list[tuple[int, bool, int]]:
    activations = (CODECS.activations.decode(one.value) for one in outputs)
    return [(one.strategy_version, one.active, one.tick_offset) for one in activations]


def reasons(outputs: Sequence[Output]) -> list[Any]:
    return [CODECS.signals.decode(one.value).reasoning for one in outputs if one.topic == "signals"]


def test_the_versions_of_a_partition_are_recorded_once_and_go_on_from_there() -> None:
    first, second = config(), config(version=2, parameters={"bar_seconds": 7})
    made = operator(first)
    assert announced(restored(made, {}, 0)) == [(1, True, 0)]
    state = latest(made.changed())
    assert decode_configs(state[STRATEGIES_KEY]) == (first,)
    assert latest(made.changed()) == {}

    same = operator(first)
    assert restored(same, state, 50) == []
    assert latest(same.changed()) == {}

    changed = operator(second)
    assert announced(restored(changed, state, 50)) == [(1, False, 50), (2, True, 50)]
    assert decode_configs(latest(changed.changed())[STRATEGIES_KEY]) == (second,)


def test_a_tick_under_the_key_of_another_instrument_rebuilds_nothing() -> None:
    """It was a dead letter, so the strategy has not seen it."""
    log = [
        Record(0, TOKEN),
        Record(1, OTHER_TOKEN),
        Record(2, TOKEN, under=OTHER_TOKEN),
        Record(3, OTHER_TOKEN, under=TOKEN),
        Record(4, TOKEN),
        Record(5, OTHER_TOKEN),
    ]
    before = operator(config("adding", instruments=BOTH))
    restored(before, {}, 0)
    outputs = before.process("ticks", log)
    assert reasons(outputs) == ["100", "101", "204", "206"]
    assert [one.topic for one in outputs].count("ticks.dlq") == 2

    after = operator(config("adding", instruments=BOTH))
    beginning = after.restore(
        latest(before.changed()), Start(offsets={"ticks": 6}, is_settled=True)
    )
    assert beginning.replay is not None
    beginning.replay.take(log[beginning.replay.first : beginning.replay.end])
    beginning.replay.finish()
    following = [Record(6, TOKEN), Record(7, OTHER_TOKEN)]
    assert reasons(after.process("ticks", following)) == ["310", "313"]
