"""Leading inputs: others wait until what could be read two seconds ago is processed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from algo_panda.domain.decisions import CURRENT_SECONDS
from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.ends import End
from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.control import TradingStates
from algo_panda.streaming.engine import StreamEngine
from algo_panda.streaming.fetcher import Batch
from algo_panda.streaming.leading import LeadingInputs
from algo_panda.streaming.operator import (
    BatchClock,
    Beginning,
    ConnectionSettings,
    Delivery,
    Output,
    Start,
    StateRecord,
    StreamSpec,
)
from algo_panda.streaming.owned import OwnedPartition, Ownership
from algo_panda.streaming.telemetry import SilentStreamTelemetry

LEADS, FOLLOWS = "executions", "signals"
TOPICS = (FOLLOWS, LEADS)
MOCK_CLUSTER = KafkaConnection("127.0.0.1:1", client_config={"test.mock.num.brokers": 1})


class Record:
    def __init__(self, offset: int, written: float) -> None:
        self._offset = offset
        self.written = written

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"1"

    def value(self) -> bytes:
        return b""

    def timestamp(self) -> tuple[int, int]:
        return 1, int(self.written * 1_000)


class Log:
    """The records of both topics, and the clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.records: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
        self.is_away = False

    def append(self, topic: str, count: int = 1) -> None:
        records = self.records[topic]
        records += [Record(len(records) + n, self.now) for n in range(count)]

    def ends(self, where: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], End]:
        if self.is_away:
            raise KafkaError("the broker does not answer")
        return {one: End(len(self.records[one[0]]), len(self.records[one[0]])) for one in where}


class Judge:
    """Notes for each record of the other input how old what it is judged by is."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.processed = dict.fromkeys(TOPICS, 0)
        self.ages: list[float] = []
        """Seconds since the oldest leading record that was not processed; 0: there was none."""

    def process(self, topic: str, messages: Sequence[Any]) -> Sequence[Output]:
        assert [m.offset() for m in messages] == list(
            range(self.processed[topic], self.processed[topic] + len(messages))
        )
        self.processed[topic] += len(messages)
        if topic == FOLLOWS:
            waiting = self._log.records[LEADS][self.processed[LEADS] :]
            age = self._log.now - waiting[0].written if waiting else 0.0
            self.ages += [age] * len(messages)
        return ()

    def changed(self) -> Sequence[StateRecord]:
        return ()

    def restore(self, _state: Mapping[bytes, bytes], _start: Start) -> Beginning:
        return Beginning()

    def close(self) -> None:
        """Nothing is held."""


class Reader:
    """In place of the fetcher: some records of each topic that is read, from where each stands."""

    def __init__(self, log: Log, most: Callable[[], int]) -> None:
        self._log, self._most = log, most
        self._generation = -1
        self._at: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    async def fetch(self, ownership: Ownership) -> list[Batch]:
        (owned,) = ownership.partitions()
        if self._generation != ownership.generation:
            self._generation = ownership.generation
            self._at = dict(owned.start_fetching())
            self._numbers = dict.fromkeys(self._at, 0)
        batches: list[Batch] = []
        for topic, at in self._at.items():
            messages: list[Any] = self._log.records[topic][at : at + self._most()]
            if messages:
                self._at[topic] = at + len(messages)
                number = self._numbers[topic]
                self._numbers[topic] = number + 1
                end = self._at[topic]
                batches.append(Batch(owned, self._generation, number, topic, messages, end))
        return batches

    def close(self) -> None:
        """Nothing is held."""


def owned_partition(number: int, operator: Any = None) -> OwnedPartition:
    return OwnedPartition(
        partition=number,
        operator=operator,
        changelog=None,  # type: ignore[arg-type]
        positions=Positions(
            offsets=dict.fromkeys(TOPICS, 0),
            horizons=dict.fromkeys(TOPICS, 0),
            topic_ids=dict.fromkeys(TOPICS, "id"),
        ),
        sends_ahead=False,
        leading=(LEADS,),
    )


class Rig:
    """An engine with one partition of two inputs, one of them leading."""

    def __init__(self, most: Callable[[], int] = lambda: 5) -> None:
        self.log = Log()
        self.judge = Judge(self.log)
        self.is_control_current = True
        self.engine = StreamEngine(
            spec=StreamSpec(
                group="group",
                inputs=TOPICS,
                changelog="changelog",
                partitions=1,
                delivery=Delivery.EXACTLY_ONCE,
                checkpoint_interval=1.0,
                create=lambda *_: self.judge,
                leading=(LEADS,),
                is_control_current=lambda: self.is_control_current,
            ),
            connection=ConnectionSettings(kafka=MOCK_CLUSTER),
            read_topic_ids=lambda: dict.fromkeys((*TOPICS, "changelog"), "id"),
            read_ends=self.log.ends,
            telemetry=SilentStreamTelemetry(),
            clock=lambda: self.log.now,
        )
        self.engine._fetcher.close()
        self.engine._fetcher = Reader(self.log, most)  # type: ignore[assignment]
        # The test asks in place of the thread.
        self.engine._leading.start = lambda: None  # type: ignore[method-assign]
        self.engine.ownership.add([owned_partition(0, self.judge)])

    async def turn(self) -> None:
        batches = await self.engine.fetch()
        await self.engine.process(batches)

    def ask(self) -> None:
        self.engine._leading.ask()


def on_rig(test: Callable[[Rig], Awaitable[None]], rig: Callable[[], Rig] = Rig) -> None:
    async def run() -> None:
        made = rig()
        try:
            await test(made)
        finally:
            made.engine.close()

    asyncio.run(run())


def test_after_opening_the_leading_input_is_read_first_up_to_its_end() -> None:
    async def test(rig: Rig) -> None:
        rig.log.append(FOLLOWS, 3)
        rig.log.append(LEADS, 12)
        for _ in range(3):
            await rig.turn()
            assert rig.judge.processed[FOLLOWS] == 0
        assert rig.judge.processed[LEADS] == 12
        await rig.turn()  # nobody has said yet that this is the end
        assert rig.judge.processed[FOLLOWS] == 0
        rig.ask()
        await rig.turn()
        assert rig.judge.processed == {FOLLOWS: 3, LEADS: 12}

    on_rig(test)


def test_what_is_known_for_two_seconds_is_good_enough_and_no_longer() -> None:
    async def test(rig: Rig) -> None:
        rig.ask()
        rig.log.now += CURRENT_SECONDS
        rig.log.append(FOLLOWS)
        await rig.turn()
        assert rig.judge.processed[FOLLOWS] == 1
        rig.log.now += 0.01
        rig.log.append(FOLLOWS)
        rig.log.append(LEADS, 7)
        for _ in range(3):
            await rig.turn()
        assert rig.judge.processed == {FOLLOWS: 1, LEADS: 7}
        rig.ask()
        await rig.turn()
        assert rig.judge.processed == {FOLLOWS: 2, LEADS: 7}

    on_rig(test)


def test_while_ends_move_on_what_was_asked_before_counts() -> None:
    """Executions that come all the time do not keep signals waiting."""

    async def test(rig: Rig) -> None:
        rig.ask()
        for _ in range(20):
            rig.log.append(FOLLOWS)
            rig.log.append(LEADS, 5)
            rig.ask()  # each time the end is ahead of what is processed
            rig.log.now += 0.5
            await rig.turn()
        assert rig.judge.processed[FOLLOWS] == 20

    on_rig(test)


def test_while_the_broker_does_not_say_where_the_leading_input_ends_others_wait() -> None:
    async def test(rig: Rig) -> None:
        rig.log.append(FOLLOWS)
        rig.log.is_away = True
        with pytest.raises(KafkaError):
            rig.ask()
        for _ in range(3):
            await rig.turn()
        assert rig.judge.processed[FOLLOWS] == 0
        rig.log.is_away = False
        rig.ask()
        await rig.turn()
        assert rig.judge.processed[FOLLOWS] == 1

    on_rig(test)


def test_records_wait_for_control_but_leading_ones_do_not() -> None:
    async def test(rig: Rig) -> None:
        rig.ask()
        rig.is_control_current = False
        rig.log.append(FOLLOWS)
        rig.log.append(LEADS, 2)
        turn = asyncio.ensure_future(rig.turn())
        while rig.judge.processed[LEADS] < 2:
            await asyncio.sleep(0)
        assert not turn.done()
        assert rig.judge.processed[FOLLOWS] == 0
        rig.is_control_current = True
        await turn
        assert rig.judge.processed[FOLLOWS] == 1

    on_rig(test)


def test_a_batch_that_waits_for_control_ends_with_its_generation() -> None:
    async def test(rig: Rig) -> None:
        rig.ask()
        rig.is_control_current = False
        rig.log.append(FOLLOWS)
        turn = asyncio.ensure_future(rig.turn())
        await asyncio.sleep(0)
        rig.engine.ownership.advance()
        await turn
        assert rig.judge.processed[FOLLOWS] == 0
        rig.is_control_current = True
        await rig.turn()
        assert rig.judge.processed[FOLLOWS] == 1

    on_rig(test)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_judged_by_what_is_older_than_two_seconds(seed: int) -> None:
    random = Random(seed)

    async def test(rig: Rig) -> None:
        for _ in range(600):
            match random.choice(("append", "append", "turn", "turn", "turn", "ask", "wait")):
                case "append":
                    rig.log.append(random.choice(TOPICS), random.randint(1, 8))
                case "turn":
                    await rig.turn()
                case "ask":
                    rig.ask()
                case _:
                    rig.log.now += random.choice((0.1, 0.4, 1.1, 2.5))
        for _ in range(200):
            rig.ask()
            await rig.turn()
        assert rig.judge.processed == {t: len(rig.log.records[t]) for t in TOPICS}
        assert len(rig.judge.ages) > 100
        assert max(rig.judge.ages) > 0
        assert max(rig.judge.ages) <= CURRENT_SECONDS

    on_rig(test, lambda: Rig(lambda: random.randint(1, 10)))


def test_a_partition_that_was_not_asked_about_is_not_current() -> None:
    log = Log()
    leading = LeadingInputs((LEADS,), read_ends=log.ends, owned=lambda: (1,), clock=lambda: log.now)
    leading.ask()
    assert not leading.is_current(owned_partition(0))
    assert leading.is_current(owned_partition(1))


def test_the_thread_asks_at_once_when_it_is_told_to_and_ends() -> None:
    asked = threading.Semaphore(0)

    def read_ends(_: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], End]:
        asked.release()
        return {}

    leading = LeadingInputs((LEADS,), read_ends=read_ends, owned=lambda: (0,))
    leading.start()
    try:
        for _ in range(5):
            assert asked.acquire(timeout=60)
            leading.ask_now()
    finally:
        leading.stop()
    assert not leading._thread.is_alive


def test_without_leading_inputs_nobody_asks_and_nothing_waits() -> None:
    leading = LeadingInputs((), read_ends=lambda _: {}, owned=lambda: (0,))
    leading.start()
    assert not leading._thread.is_alive
    assert leading.is_current(owned_partition(0))
    leading.stop()


@pytest.mark.parametrize(
    ("seconds", "is_current"),
    [(0.0, True), (CURRENT_SECONDS, True), (2.1, False), (5.0, False), (5.1, True)],
)
def test_trading_states_are_current_for_two_seconds_and_when_all_is_halted(
    seconds: float, is_current: bool
) -> None:
    now = 100.0
    states = TradingStates(lambda: now, 5.0)
    now += seconds
    assert states.is_current() is is_current
    # After 5 s without a confirmation every account is halted: there is nothing to wait for.
    assert (states.view().offset is None) is (seconds > 5.0)


def test_the_time_of_a_batch_is_read_when_it_begins() -> None:
    now = [1]
    clock = BatchClock(lambda: now[0])
    now[0] = 2
    assert clock.now_us() == 1
    clock.begin()
    now[0] = 3
    assert clock.now_us() == 2


def test_a_batch_begins_before_it_is_looked_what_is_known() -> None:
    async def test(rig: Rig) -> None:
        seen: list[str] = []
        spec = rig.engine._spec
        object.__setattr__(spec, "begin_batch", lambda: seen.append("begin"))
        object.__setattr__(spec, "is_control_current", lambda: bool(seen.append("look")) or True)
        rig.ask()
        rig.log.append(FOLLOWS)
        rig.log.append(LEADS)
        await rig.turn()
        assert seen in (["begin", "look", "begin"], ["begin", "begin", "look"])

    on_rig(test)


def test_a_stop_does_not_wait_for_a_broker_that_does_not_answer() -> None:
    asked, answered = threading.Event(), threading.Event()

    def read_ends(_: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], End]:
        asked.set()
        answered.wait()
        return {}

    leading = LeadingInputs((LEADS,), read_ends=read_ends, owned=lambda: (0,))
    leading.start()
    try:
        assert asked.wait(60)
        leading.stop()
        assert leading._thread.is_alive
    finally:
        answered.set()
    leading._thread.stop()
    assert not leading._thread.is_alive
