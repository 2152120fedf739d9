"""When a signal counts as done, on a client in memory."""

from collections import deque
from typing import Any

import pytest

from algo_panda import consumer
from algo_panda.consumer import SignalConsumer, UndecodableRecord
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.values import signal

CODEC = load_codecs().signals


class Message:
    def __init__(self, at: int, value: bytes) -> None:
        self._at, self._value = at, value

    def topic(self) -> str:
        return "signals"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._at

    def key(self) -> bytes:
        return b"1001"

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


class FakeConsumer:
    """Remembers which offsets it was told of."""

    def __init__(self, _config: object) -> None:
        self.done: list[int] = []

    def subscribe(self, _topics: list[str], **_: object) -> None:
        pass

    def store_offsets(self, message: Message) -> None:
        self.done.append(message.offset())

    def commit(self, *, asynchronous: bool) -> None:
        assert not asynchronous

    def close(self) -> None:
        pass


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> deque[Message]:
    """What is on the topic: two signals, a record that is none, and a signal."""
    values = [CODEC.encode(signal(tick_offset=at)) for at in range(4)]
    values[2] = b"junk"
    messages = deque(Message(at, value) for at, value in enumerate(values))
    monkeypatch.setattr(consumer, "Consumer", FakeConsumer)
    monkeypatch.setattr(consumer, "connect", lambda _connection: None)
    monkeypatch.setattr(consumer, "partition_counts", lambda _admin, _topics: None)
    monkeypatch.setattr(
        consumer, "next_record", lambda *_: messages.popleft() if messages else None
    )
    return messages


AGAIN = (("a", 5), ("b", 2), ("a", 5), ("a", 4))


def consuming(**options: Any) -> SignalConsumer:
    return SignalConsumer(
        group="mine", bootstrap_servers="unused:1", topic="signals", client_config={}, **options
    )


@pytest.mark.usefixtures("left")
def test_a_signal_is_done_when_the_next_one_is_asked_for() -> None:
    bad: list[UndecodableRecord] = []
    with consuming(on_undecodable=bad.append) as signals:
        client: Any = signals._consumer
        seen = [(one.tick_offset, list(client.done)) for one in signals]
    assert seen == [(0, []), (1, [0]), (3, [0, 1, 2])]
    assert client.done == [0, 1, 2, 3]
    assert [record.offset for record in bad] == [2]


@pytest.mark.usefixtures("left")
def test_a_signal_in_hand_is_not_done_unless_it_is_committed() -> None:
    with consuming() as signals:
        client: Any = signals._consumer
        next(signals)
        signals.commit()
        assert client.done == [0]
        next(signals)
    assert client.done == [0]


@pytest.mark.parametrize(
    ("remembered", "seen"),
    [(100, [3, 1, 2, 0]), (2, [3, 1, 2, 3, 0]), (1, [3, 1, 2, 1, 3, 0, 3, 0])],
)
def test_a_signal_is_left_out_if_its_id_is_among_the_last_ones(
    left: deque[Message], monkeypatch: pytest.MonkeyPatch, remembered: int, seen: list[int]
) -> None:
    """Whatever the order of their ticks: 3 1 2 1 3 0 3 3 0."""
    monkeypatch.setattr(consumer, "REMEMBERED_SIGNALS", remembered)
    left.clear()
    for at, offset in enumerate([3, 1, 2, 1, 3, 0, 3, 3, 0]):
        left.append(Message(at, CODEC.encode(signal(tick_offset=offset))))
    with consuming(deduplicate=True) as signals:
        assert [one.tick_offset for one in signals] == seen
        client: Any = signals._consumer
    assert client.done == list(range(9))


def test_signals_of_a_topic_that_was_recreated_twice_are_told_apart(left: deque[Message]) -> None:
    ones = [signal(tick_topic_id=topic, tick_offset=at) for topic, at in AGAIN]
    left.clear()
    left.extend(Message(at, CODEC.encode(one)) for at, one in enumerate(ones))
    with consuming(deduplicate=True) as signals:
        assert list(signals) == [ones[0], ones[1], ones[3]]
