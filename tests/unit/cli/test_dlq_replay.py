"""What a replay of dead letters sends, and what it notes, with a broker in memory."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaError as ClientError

from algo_panda.cli import dlq_letters, dlq_replay
from algo_panda.cli.dlq_letters import DeadLetters, Letter, _replayed
from algo_panda.cli.dlq_replay import Replay, ReplayedMeanwhileError
from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.replay_ledger import LedgerTakenOverError, ReplayState
from algo_panda.wire.dead_letter import DeadLetter, NotADeadLetterError

PLACE = ("ticks.dlq", 0)
HEADERS = (("traceparent", b"00-1"), ("empty", None), ("traceparent", b"00-2"))


class Broker:
    """Holds the letters, the notes, and what was sent."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self.values = values
        self.old: set[int] = set()
        """Offsets of letters that are older than the memory of replays."""
        self.noted: dict[tuple[str, int], ReplayState] = {PLACE: ReplayState()}
        self.writer: object = None
        """Who took the notes over last."""
        self.sent: list[tuple[str, bytes, bytes, list[Any]]] = []
        self.refuses: Callable[[bytes], bool] = lambda _value: False
        self.is_silent = False

    def replay(self, *offsets: int, again: bool = False) -> tuple[int, list[str]]:
        """Send what a replay would; return how many, and what it says about those left out."""
        places = frozenset((0, offset) for offset in offsets) if offsets else None
        with Replay.plan(["ticks"], places, again=again) as plan:
            return plan.send(), plan.left_out

    def shown(self) -> list[str]:
        return [letter.replayed for letter in Letters(self)]


class Letters:
    """In place of ``DeadLetters``: as they are when they are looked at."""

    admin = None
    connection = KafkaConnection("unused:1")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.states = dict(broker.noted)
        self.ledger = self

    def load(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], ReplayState]:
        return {place: self._broker.noted[place] for place in places}

    def take_over(self) -> None:
        self._broker.writer = self

    def save(self, place: tuple[str, int], state: ReplayState) -> None:
        if self._broker.writer is not self:
            raise LedgerTakenOverError("another has begun")
        self._broker.noted[place] = ReplayState.from_note(state.next_offset, state.to_note())

    def __iter__(self) -> Iterator[Letter]:
        for offset, value in enumerate(self._broker.values):
            yield Letter(
                topic=PLACE[0],
                partition=PLACE[1],
                offset=offset,
                written_at=datetime(2026, 1, 5, tzinfo=UTC),
                content=DeadLetter(
                    topic="ticks",
                    partition=2,
                    offset=70 + offset,
                    timestamp_ms=0,
                    key=b"1001",
                    value=value,
                    headers=HEADERS,
                    error_code="TOO_SHORT",
                    error_message="the value has 4 bytes",
                    app_version="1",
                ),
                replayed=_replayed(self.states[PLACE], offset, is_old=offset in self._broker.old),
            )


class FakeProducer:
    """Delivers when it is flushed, if at all."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: list[Callable[[], None]] = []

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        *,
        on_delivery: Callable[[ClientError | None, Any], None],
        headers: Sequence[Any] = (),
    ) -> None:
        def deliver() -> None:
            if self._broker.refuses(value):
                on_delivery(ClientError(ClientError.MSG_SIZE_TOO_LARGE, "too large"), None)
            else:
                self._broker.sent.append((topic, key, value, list(headers)))
                on_delivery(None, None)

        self._waiting.append(deliver)

    def flush(self, _timeout: float) -> int:
        if not self._broker.is_silent:
            waiting, self._waiting = self._waiting, []
            for deliver in waiting:
                deliver()
        return len(self._waiting)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker([b"v-0", b"v-1", b"v-2", b"v-3"])

    @contextmanager
    def opened(_topics: object) -> Generator[Letters]:
        yield Letters(made)

    monkeypatch.setattr(dlq_replay.DeadLetters, "open", opened)
    monkeypatch.setattr(dlq_replay, "Producer", lambda _config: FakeProducer(made))
    monkeypatch.setattr(dlq_replay, "partition_counts", lambda _admin, _topics: None)
    return made


def values(broker: Broker) -> list[bytes]:
    return [value for _, _, value, _ in broker.sent]


def test_records_are_sent_as_received_and_only_once(broker: Broker) -> None:
    assert broker.replay() == (4, [])
    assert broker.sent[0] == ("ticks", b"1001", b"v-0", list(HEADERS))
    assert values(broker) == [b"v-0", b"v-1", b"v-2", b"v-3"]
    assert broker.replay() == (0, [])
    assert broker.shown() == ["yes"] * 4


def test_the_replay_of_one_letter_settles_no_other(broker: Broker) -> None:
    assert broker.replay(2) == (1, [])
    assert broker.shown() == ["no", "no", "yes", "no"]
    assert broker.replay() == (3, [])
    assert values(broker) == [b"v-2", b"v-0", b"v-1", b"v-3"]


def test_letters_of_before_a_single_one_are_not_sent_again_with_it(broker: Broker) -> None:
    """The note then holds one letter right at the offset below which all are done."""
    broker.values = [b"v-0", b"v-1"]
    broker.replay()
    broker.values = [b"v-0", b"v-1", b"v-2", b"v-3"]
    broker.replay(2)
    assert broker.shown() == ["yes", "yes", "yes", "no"]
    broker.replay()
    assert values(broker) == [b"v-0", b"v-1", b"v-2", b"v-3"]


@pytest.mark.parametrize("trouble", ["silent", "refuses"])
def test_what_the_broker_does_not_confirm_may_have_been_replayed(
    broker: Broker, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlq_replay, "BATCH", 2)
    if trouble == "silent":
        broker.is_silent = True
        reason = "the broker did not answer in time"
    else:
        broker.refuses = lambda value: value == b"v-1"
        reason = "too large"
    with pytest.raises(KafkaError, match=f"may have been replayed only in part: {reason}"):
        broker.replay()
    assert broker.shown() == ["perhaps", "perhaps", "no", "no"]
    broker.is_silent, broker.refuses = False, lambda _value: False
    sent, left_out = broker.replay()
    assert sent == 2
    assert left_out[0].startswith("2 that may have been replayed before are left out")
    assert broker.shown() == ["perhaps", "perhaps", "yes", "yes"]


def test_letters_from_before_the_memory_of_replays_stay_unsure(broker: Broker) -> None:
    broker.old = {0, 1}
    assert broker.shown() == ["perhaps", "perhaps", "no", "no"]
    sent, _ = broker.replay()
    assert sent == 2
    assert broker.shown() == ["perhaps", "perhaps", "yes", "yes"]
    assert broker.replay(1, again=True) == (1, [])
    assert broker.shown() == ["perhaps", "yes", "yes", "yes"]
    assert values(broker) == [b"v-2", b"v-3", b"v-1"]


@pytest.mark.parametrize("single", [(), (1,)], ids=["all", "one"])
@pytest.mark.parametrize("other", [(), (2,)], ids=["other sends all", "other sends one"])
def test_what_was_replayed_since_the_plan_is_not_sent_again(
    broker: Broker, single: tuple[int, ...], other: tuple[int, ...]
) -> None:
    places = frozenset((0, offset) for offset in single) or None
    with Replay.plan(["ticks"], places, again=False) as plan:
        broker.replay(*other)
        sent, noted = list(broker.sent), dict(broker.noted)
        with pytest.raises(ReplayedMeanwhileError, match="this one sends nothing; run it again"):
            plan.send()
    assert (broker.sent, broker.noted) == (sent, noted)
    broker.replay()
    assert sorted(values(broker)) == [b"v-0", b"v-1", b"v-2", b"v-3"]


def test_a_plan_that_is_refused_stops_no_replay_that_is_running(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlq_replay, "BATCH", 2)
    with Replay.plan(["ticks"], None, again=False) as late:

        def second_batch_meets_the_other(value: bytes) -> bool:
            if value == b"v-2":
                with pytest.raises(ReplayedMeanwhileError):
                    late.send()
            return False

        broker.refuses = second_batch_meets_the_other
        assert broker.replay() == (4, [])
    assert broker.shown() == ["yes"] * 4


@pytest.mark.parametrize(
    ("taken_over_at", "sent", "shown"),
    [(b"v-1", 2, ["perhaps", "perhaps", "no", "no"]), (b"v-3", 4, ["yes"] * 2 + ["perhaps"] * 2)],
)
def test_a_replay_that_another_took_over_from_sends_no_further_batch(
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    taken_over_at: bytes,
    sent: int,
    shown: list[str],
) -> None:
    monkeypatch.setattr(dlq_replay, "BATCH", 2)

    def take_over(value: bytes) -> bool:
        if value == taken_over_at:
            broker.writer = "another"
        return False

    broker.refuses = take_over
    with pytest.raises(LedgerTakenOverError, match="were sent, but 'panda dlq show' marks them"):
        broker.replay()
    assert len(broker.sent) == sent
    assert broker.shown() == shown


def test_notes_that_change_during_the_take_over_stop_the_replay(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_over(letters: Letters) -> None:
        broker.writer = letters
        broker.noted[PLACE] = broker.noted[PLACE].sending([0])

    with Replay.plan(["ticks"], None, again=False) as plan:
        monkeypatch.setattr(Letters, "take_over", take_over)
        with pytest.raises(ReplayedMeanwhileError):
            plan.send()
    assert broker.sent == []


class Record:
    """A dead letter that names ``source``, at ``at`` of the dead letters of ticks."""

    def __init__(self, at: int, source: str) -> None:
        self._at = at
        letter = next(iter(Letters(Broker([b"junk"])))).content
        assert isinstance(letter, DeadLetter)
        self._headers = replace(letter, topic=source).to_headers()

    def topic(self) -> str:
        return PLACE[0]

    def partition(self) -> int:
        return PLACE[1]

    def offset(self) -> int:
        return self._at

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_767_604_500_000

    def key(self) -> bytes:
        return b"1001"

    def value(self) -> bytes:
        return b"junk"

    def headers(self) -> list[Any]:
        return self._headers


def test_a_letter_that_names_another_topic_than_its_own_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dlq_letters, "end_offsets", lambda *_: {PLACE: 3})
    monkeypatch.setattr(dlq_letters, "start_offsets", lambda *_: {PLACE: 0})
    monkeypatch.setattr(dlq_letters, "ReplayLedger", lambda *_: Ledger())
    topics = ("ticks", "signals", "ticks.dlq")
    found = [Record(at, topic) for at, topic in enumerate(topics)]
    monkeypatch.setattr(dlq_letters, "records", lambda *_: iter(found))
    letters = DeadLetters(None, KafkaConnection("unused:1"), ["ticks.dlq"], "a group")  # type: ignore[arg-type]
    kinds = [type(letter.content) for letter in letters]
    assert kinds == [DeadLetter, NotADeadLetterError, NotADeadLetterError]


class Ledger:
    """Holds no note."""

    def load(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], ReplayState]:
        return dict.fromkeys(places, ReplayState())
