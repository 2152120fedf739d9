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
