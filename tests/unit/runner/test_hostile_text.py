"""Whatever text a strategy comes up with, it costs that strategy alone."""

from dataclasses import replace

import pytest

from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import Rejection, RejectionCode
from algo_panda.runner.checked import LARGEST_SNAPSHOT, LONGEST_REASONING
from algo_panda.runner.explain import LONGEST, described, shown
from algo_panda.streaming.state_codec import InstrumentRecordCodec
from algo_panda.wire.catalogue import load_catalogue
from tests.unit.fakes.rig import start
from tests.unit.fakes.values import buy, config, tick

CODEC = InstrumentRecordCodec(load_catalogue())


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "error",
    [ValueError("\ud800 bad"), ValueError("x" * 20_000_000), UnspeakableError(), SystemExit(3)],
    ids=["surrogate", "long", "unspeakable", "exit"],
)
def test_an_error_that_cannot_be_shown_quarantines_and_can_be_written_down(
    error: BaseException,
) -> None:
    class Raises:
        def process_tick(self, tick: object, history: object) -> None:
            raise error

    rig = start(config("raises"), processors={"raises": Raises})
    for second in range(10):
        rig.feed(tick(seconds=second))
    (record,) = rig.partition.changed_records()
    (state,) = record.strategies
    assert type(error).__name__ in (state.quarantine_reason or "")
    assert CODEC.decode(CODEC.encode(record)) == record
    assert len(CODEC.encode(record)) < 100_000


@pytest.mark.parametrize("reasoning", ["x" * (LONGEST_REASONING + 1), 7, b"bytes"])
def test_reasoning_that_is_no_short_text_is_refused(reasoning: object) -> None:
    said: SignalResult = buy()._replace(reasoning=reasoning)  # type: ignore[arg-type]

    class Talks:
        def process_tick(self, tick: object, history: object) -> SignalResult:
            return said

    rig = start(config("talks"), processors={"talks": Talks})
    ((outcome,),) = rig.feed(tick())
    assert isinstance(outcome, Rejection)
    assert outcome.code is RejectionCode.INVALID_SIGNAL


def test_a_snapshot_that_is_too_large_is_not_recorded() -> None:
    class Hoards:
        def process_tick(self, tick: object, history: object) -> None: ...

        def snapshot(self) -> bytes:
            return bytes(LARGEST_SNAPSHOT + 1)

        def restore(self, state: bytes) -> None: ...

    rig = start(config("hoards"), processors={"hoards": Hoards})
    rig.feed(tick())
    (record,) = rig.partition.changed_records()
    (state,) = record.strategies
    assert (state.processor, state.quarantine_reason) == (None, None)
    assert str(LARGEST_SNAPSHOT) in (rig.status.reported[-1].reason or "")


def test_snapshots_that_do_not_fit_into_one_record_together_are_not_all_recorded() -> None:
    class Large:
        def process_tick(self, tick: object, history: object) -> None: ...

        def snapshot(self) -> bytes:
            return bytes(LARGEST_SNAPSHOT)

        def restore(self, state: bytes) -> None: ...

    configs = [config("large", number=number) for number in range(1, 13)]
    rig = start(*configs, processors={"large": Large})
    rig.feed(tick())
    (record,) = rig.partition.changed_records()
    assert [state.processor is not None for state in record.strategies] == [True] * 8 + [False] * 4
    assert all(state.marks for state in record.strategies)
    assert rig.telemetry.of("snapshot_failed") == ["large"] * 4
    assert len(CODEC.encode(record)) < 10 * 1024 * 1024  # as topics.yaml has it for the changelog


def test_a_new_version_lifts_a_quarantine_and_the_same_one_keeps_it() -> None:
    class Raises:
        def process_tick(self, tick: object, history: object) -> None:
            raise ValueError("always")

    row = config("raises")
    rig = start(row, processors={"raises": Raises})
    for second in range(10):
        rig.feed(tick(seconds=second))
    records = list(rig.partition.changed_records())
    for version, kept in ((row.version, True), (row.version + 2, False)):
        again = start(replace(row, version=version), processors={"raises": Raises})
        again.partition.restore(records)
        again.feed(tick(seconds=60))
        (state,) = next(iter(again.partition.changed_records())).strategies
        assert (state.quarantine_reason is not None) is kept
        assert state.failures == (10 if kept else 1)


def test_text_is_cut_and_made_valid() -> None:
    assert shown("a\0b\udfff") == "a?b?"
    assert len(shown("x" * 10_000)) == LONGEST + 1
    assert described(KeyError("k")) == "KeyError: 'k'"
