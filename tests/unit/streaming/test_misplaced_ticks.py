"""A tick in a partition that is not its key's: a dead letter, or processed and counted."""

from dataclasses import dataclass
from typing import Any

import pytest

from algo_panda.streaming.operator import MessageHeaders, Output, Start
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.ports import RunnerTopics, SilentStageTelemetry
from algo_panda.streaming.operators.runner import RunnerOperator
from algo_panda.streaming.operators.versions import StrategyVersions
from algo_panda.streaming.state_codec import InstrumentRecordCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.processors import Talker
from tests.unit.fakes.rig import start
from tests.unit.fakes.values import OTHER_TOKEN, TOKEN, config, tick

CODECS = load_codecs()
PARTITION = 3
HOMES = {b"1001": 3, b"2002": 1}
"""Partitions by key."""
START = Start(offsets={"ticks": 0}, is_settled=True)


@dataclass(frozen=True)
class Record:
    at: int
    token: int
    other_key: bytes | None = None
    has_other_key: bool = False

    def topic(self) -> str:
        return "ticks"

    def partition(self) -> int:
        return PARTITION

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.other_key if self.has_other_key else b"%d" % self.token

    def value(self) -> bytes:
        return CODECS.ticks.encode(tick(100 + self.at, token=self.token, seconds=self.at))

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)

    def headers(self) -> MessageHeaders:
        return None


class Counts(SilentStageTelemetry):
    def __init__(self) -> None:
        self.misplaced = 0
        self.letters: list[str] = []

    def misplaced_tick(self) -> None:
        self.misplaced += 1

    def dead_letter(self, topic: str, code: str, /) -> None:
        self.letters.append(code)


def operator(telemetry: Counts, **options: Any) -> RunnerOperator:
    rig = start(config(instruments=(TOKEN, OTHER_TOKEN)), processors={"talker": Talker})
    return RunnerOperator(
        partition=PARTITION,
        topic_id="topic-a",
        versions=StrategyVersions(
            current=rig.runner,
            configs=[one.config for one in rig.report.registered],
            runner_of=lambda _: rig.runner,
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
            topics={"ticks": "ticks.dlq"}, telemetry=telemetry, app_version="1"
        ),
        telemetry=telemetry,
        **options,
    )


RECORDS = [Record(at, OTHER_TOKEN if at % 2 else TOKEN) for at in range(6)]


def tokens_of_signals(outputs: list[Output]) -> list[int]:
    signals = (one for one in outputs if one.topic == "signals")
    return [CODECS.signals.decode(one.value).instrument_token for one in signals]


def test_a_misplaced_tick_becomes_a_dead_letter_that_says_where_it_belongs():
    telemetry = Counts()
    made = operator(telemetry, partition_of=HOMES.__getitem__)
    made.restore({}, START)
    outputs = [*made.process("ticks", RECORDS[:3]), *made.process("ticks", RECORDS[3:])]
    assert tokens_of_signals(outputs) == [TOKEN] * 3
    letters = [one for one in outputs if one.topic == "ticks.dlq"]
    assert [(one.key, one.value) for one in letters] == [
        (record.key(), record.value()) for record in RECORDS[1::2]
    ]
    assert telemetry.letters == ["MISPLACED_KEY"] * 3
    reason = dict(letters[0].headers)["panda.dlq.error.message"] or b""
    assert reason.startswith(
        b"the key b'2002' belongs to partition 1 and was written to partition 3"
    )


def test_it_is_processed_and_counted_if_the_setting_says_so(caplog: pytest.LogCaptureFixture):
    telemetry = Counts()
    made = operator(telemetry, partition_of=HOMES.__getitem__, accepts_misplaced=True)
    made.restore({}, START)
    outputs = [*made.process("ticks", RECORDS[:3]), *made.process("ticks", RECORDS[3:])]
    assert tokens_of_signals(outputs) == [TOKEN, OTHER_TOKEN] * 3
    assert telemetry.letters == []
    assert telemetry.misplaced == 3
    warnings = [one.getMessage() for one in caplog.records if "partition 1" in one.getMessage()]
    assert len(warnings) == 1


@pytest.mark.parametrize(("accepts", "tokens"), [(True, [2002]), (False, [])])
def test_the_rule_holds_for_state_of_a_misplaced_instrument(accepts: bool, tokens: list[int]):
    """It was processed before, under another setting or by an earlier version."""
    before = operator(Counts())
    before.restore({}, START)
    before.process("ticks", RECORDS)
    state = {one.key: one.value for one in before.changed() if one.value is not None}
    assert b"2002" in state
    telemetry = Counts()
    made = operator(telemetry, partition_of=HOMES.__getitem__, accepts_misplaced=accepts)
    made.restore(state, START)
    outputs = list(made.process("ticks", [Record(7, OTHER_TOKEN)]))
    assert tokens_of_signals(outputs) == tokens
    assert telemetry.misplaced == len(tokens)


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize(
    "key",
    [None, b"", b'"1001"', (1001).to_bytes(8, "big"), b"\0\0\0\0\1\x081001", b"01001", b"2002"],
    ids=repr,
)
def test_a_tick_under_a_key_in_another_form_is_a_dead_letter(key: bytes | None, accepts: bool):
    """As clients write keys without a serializer of ours: JSON, a number, Avro, or none."""
    telemetry = Counts()
    made = operator(telemetry, partition_of=lambda _: PARTITION, accepts_misplaced=accepts)
    made.restore({}, START)
    wrong = Record(1, TOKEN, key, has_other_key=True)
    outputs = list(made.process("ticks", [Record(0, TOKEN), wrong, Record(2, TOKEN)]))
    assert tokens_of_signals(outputs) == [TOKEN] * 2
    assert [(o.key, o.value) for o in outputs if o.topic == "ticks.dlq"] == [(key, wrong.value())]
    assert telemetry.letters == ["KEY_MISMATCH"]
    assert telemetry.misplaced == 0
