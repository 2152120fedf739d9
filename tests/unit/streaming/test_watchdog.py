"""When a worker counts as stalled, and what is said of it."""

import logging
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.ends import End
from algo_panda.observability.health import Health, Reason, Status
from algo_panda.streaming import watchdog
from algo_panda.streaming.progress import Lag, Progress, TopicPartition
from algo_panda.streaming.watchdog import StalledError, StallPolicy, Watchdog, main_thread_at
from tests.support.processes import eventually

A, B = ("ticks", 0), ("ticks", 1)
LIMIT = 10.0


@dataclass
class FakeEngine:
    """What the watchdog sees of an engine."""

    durable: dict[TopicPartition, int] = field(default_factory=dict)
    is_open: bool = True
    opening_since: float | None = None
    failure: BaseException | None = None

    def durable_offsets(self) -> Mapping[TopicPartition, int]:
        return dict(self.durable)

    def failed_with(self) -> BaseException | None:
        return self.failure


class Rig:
    """A watchdog that looks when it is told to, on a clock of its own."""

    def __init__(self, *, exits: bool = False) -> None:
        self.engine = FakeEngine()
        self.now = 1000.0
        self.ends: dict[TopicPartition, int] | None = {}
        self.defect: BaseException | None = None
        self.open_at: dict[TopicPartition, int] = {}
        """Where a transaction is open."""
        self.published: list[Health] = []
        self.lags: list[Mapping[TopicPartition, int]] = []
        self.stalls: list[StalledError] = []
        self.watchdog = Watchdog(
            watched=self.engine,
            read_ends=self._read_ends,
            policy=StallPolicy(seconds=LIMIT, exits=exits),
            publish=self.published.append,
            tell_lags=self.lags.append,
            on_stall=self.stalls.append,
            clock=lambda: self.now,
        )

    def _read_ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, End]:
        if self.ends is None:
            raise KafkaError("no broker answers")
        if self.defect is not None:
            raise self.defect
        return {
            where: End(self.open_at.get(where, self.ends[where]), self.ends[where])
            for where in partitions
        }

    def look(self, times: int = 1) -> Health:
        for _ in range(times):
            self.now += 1
            health = self.watchdog.look()
        assert self.published[-1] is health
        return health


def test_a_worker_without_partitions_is_well() -> None:
    assert Rig().look(100).status is Status.OK


def test_before_the_first_assignment_it_is_starting_and_then_stalled() -> None:
    rig = Rig()
    rig.engine.is_open, rig.engine.opening_since = False, rig.now
    assert rig.look().status is Status.STARTING
    health = rig.look(int(LIMIT))
    assert health.status is Status.STALLED
    assert "not open after 11 s" in health.reasons[0].reason


def test_a_short_rebalance_is_nothing_to_tell() -> None:
    rig = Rig()
    rig.engine.opening_since = rig.now
    assert rig.look(int(LIMIT)).status is Status.OK


def test_records_and_no_checkpoint_for_longer_than_the_limit_is_a_stall() -> None:
    rig = Rig()
    rig.engine.durable, rig.ends = {A: 5, B: 7}, {A: 25, B: 7}
    assert rig.look(1 + int(LIMIT)).status is Status.OK
    health = rig.look()
    assert health.status is Status.STALLED
    assert health.reasons == (
        Reason(
            reason="20 records to process, and no checkpoint for 11 s",
            topic="ticks",
            partition=0,
            lag=20,
            seconds=11.0,
        ),
    )
    assert rig.lags[-1] == {A: 20, B: 0}


@pytest.mark.parametrize(
    "lets_up",
    [
        lambda rig: rig.engine.durable.update({A: 6}),
        lambda rig: rig.ends.update({A: 5}),
        lambda rig: rig.engine.durable.clear(),
    ],
    ids=["a checkpoint", "nothing left to process", "not owned"],
)
def test_what_ends_the_wait_begins_it_anew(lets_up) -> None:
    rig = Rig()
    rig.engine.durable, rig.ends = {A: 5}, {A: 25}
    rig.look(int(LIMIT))
    lets_up(rig)
    rig.look()
    rig.engine.durable, rig.ends = {A: 6}, {A: 25}
    assert rig.look(int(LIMIT)).status is Status.OK


def test_a_quiet_partition_does_not_count_from_its_last_checkpoint() -> None:
    rig = Rig()
    rig.engine.durable, rig.ends = {A: 5}, {A: 5}
    rig.look(100)
    rig.ends = {A: 6}
    assert rig.look(int(LIMIT)).status is Status.OK


def test_time_without_a_broker_does_not_count() -> None:
    rig = Rig()
    rig.engine.durable, rig.ends = {A: 5}, {A: 25}
    rig.look(8)
    rig.ends = None
    health = rig.look(100)
    assert health == Health(status=Status.NO_BROKER, reasons=(Reason(reason="no broker answers"),))
    assert rig.lags[-1] == {}
    rig.ends = {A: 25}
    assert rig.look(4).status is Status.OK
    assert rig.look().status is Status.STALLED


def test_time_in_which_this_process_was_held_up_counts_little() -> None:
    progress = Progress()
    progress.look(0, {A: 5}, {A: End(25, 25)})
    assert progress.look(3600, {A: 5}, {A: End(25, 25)}) == [Lag(A, 20, 5.0)]


@pytest.mark.parametrize("exits", [False, True])
def test_records_behind_an_open_transaction_count_and_are_no_stall_of_the_worker(
    exits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(exits=exits)
    rig.engine.durable, rig.ends, rig.open_at = {A: 5, B: 7}, {A: 25, B: 7}, {A: 5}
    assert rig.look(1 + int(LIMIT)).status is Status.OK
    assert rig.lags[-1] == {A: 20, B: 0}
    health = rig.look(3)
    assert health.status is Status.BLOCKED
    (reason,) = health.reasons
    assert (reason.topic, reason.partition, reason.lag) == ("ticks", 0, 20)
    assert "begins at offset 5 is still open" in reason.reason
    assert "--topic ticks --partition 0 --start-offset 5" in reason.reason
    assert len([r for r in caplog.records if "blocked" in r.getMessage()]) == 1
    assert rig.stalls == []  # starting again would not help


def test_what_can_be_read_before_an_open_transaction_is_to_be_processed() -> None:
    rig = Rig(exits=True)
    rig.engine.durable, rig.ends, rig.open_at = {A: 5}, {A: 25}, {A: 6}
    assert rig.look(2 + int(LIMIT)).status is Status.STALLED
    assert len(rig.stalls) == 1


def test_when_a_transaction_has_ended_the_wait_begins_anew() -> None:
    rig = Rig()
    rig.engine.durable, rig.ends, rig.open_at = {A: 5}, {A: 25}, {A: 5}
    assert rig.look(2 + int(LIMIT)).status is Status.BLOCKED
    rig.open_at = {}
    assert rig.look(1 + int(LIMIT)).status is Status.OK
    assert rig.look().status is Status.STALLED


def test_partitions_that_have_gone_have_no_lag() -> None:
    rig = Rig()
    rig.engine.durable, rig.ends = {A: 5, B: 7}, {A: 25, B: 9}
    rig.look()
    del rig.engine.durable[A]
    rig.look()
    assert rig.lags == [{A: 20, B: 2}, {B: 2}]


def test_what_the_engine_failed_with_is_the_reason() -> None:
    rig = Rig()
    rig.engine.failure = KafkaError("topic ticks was deleted")
    health = rig.look()
    assert health.status is Status.FAILED
    assert health.reasons == (Reason(reason="topic ticks was deleted"),)


def test_a_stall_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.engine.durable, rig.ends = {A: 5}, {A: 25}
    with caplog.at_level(logging.WARNING):
        rig.look(50)
        rig.engine.durable = {A: 25}
        rig.look(5)
    first, last = caplog.messages
    assert "ticks[0]: 20 records to process" in first
    assert "in main_thread_at" in first
    assert last == "the worker recovered"
    assert rig.stalls == []


def test_where_it_is_to_exit_it_does_so_with_a_code_of_its_own() -> None:
    rig = Rig(exits=True)
    rig.engine.durable, rig.ends = {A: 5}, {A: 25}
    rig.look(50)
    (stalled,) = rig.stalls
    assert stalled.exit_code == 7
    assert "ticks[0]: 20 records to process" in str(stalled)
    assert "\n" not in str(stalled)


def test_where_the_main_thread_is_can_be_said() -> None:
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(main_thread_at).result()  # in which the main thread waits meanwhile
    assert Path(threading.__file__).name in said
    assert " in wait" in said


@pytest.mark.parametrize("defect", [ZeroDivisionError("a defect"), SystemExit(1)])
def test_no_error_ends_its_thread(defect: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_LOOK_INTERVAL", 0.001)
    rig = Rig()
    rig.defect = defect
    with rig.watchdog:
        assert eventually(lambda: rig.watchdog.trouble is not None)
        assert "the watchdog thread fails for" in str(rig.watchdog.trouble)
        assert not rig.published
        rig.defect = None
        assert eventually(lambda: bool(rig.published))
        assert eventually(lambda: rig.watchdog.trouble is None)


def test_a_broker_that_does_not_answer_is_logged_once_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.look(3)
    rig.ends = None
    rig.look(50)
    rig.ends = {}
    rig.look(3)
    assert caplog.messages == [
        "the broker does not answer: no broker answers",
        "the broker answers again",
    ]
