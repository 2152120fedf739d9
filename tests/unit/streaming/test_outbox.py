"""Sending where no broker takes anything, and where it does so when a test says so."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.ports import LOOPBACK, free_ports
from algo_panda.streaming import outbox as sending_module
from algo_panda.streaming.operator import Output
from algo_panda.streaming.outbox import DeliveryError, Outbox


def outbox() -> Outbox:
    """No broker listens, and a minute passes whenever it looks at the clock."""
    (port,) = free_ports(1)
    minutes = count()
    return Outbox(KafkaConnection(f"{LOOPBACK}:{port}"), clock=lambda: 60.0 * next(minutes))


def test_more_than_the_client_holds_is_waited_for_and_given_up_in_the_end() -> None:
    sending = outbox()
    with pytest.raises(DeliveryError, match="the broker: not acknowledged within 120 s"):
        sending.send([Output("signals", b"1", b"value")] * 100_001)


def test_what_is_unconfirmed_for_long_is_given_up() -> None:
    sending = outbox()
    sending.send([Output("signals", b"1", b"value")])
    with pytest.raises(DeliveryError, match="the broker: not acknowledged within 120 s"):
        asyncio.run(sending.confirmed())


class FakeProducer:
    """Keeps what is sent until the test delivers it."""

    made: list["FakeProducer"]

    def __init__(self, _config: object) -> None:
        self.waiting: list[tuple[bytes, Callable[[None, Any], None]]] = []
        self.polls = 0
        self.made.append(self)

    def produce(
        self, _topic: str, value: bytes, _key: bytes, *, on_delivery: Callable[[None, Any], None]
    ) -> None:
        self.waiting.append((value, on_delivery))

    def poll(self, _timeout: float = 0) -> None:
        self.polls += 1

    def __len__(self) -> int:
        return len(self.waiting)

    def deliver(self, number: int) -> None:
        for _ in range(number):
            _, on_delivery = self.waiting.pop(0)
            on_delivery(None, None)


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[FakeProducer]:
    """Those that the outbox makes: for many outputs at a time, for some, for few."""
    monkeypatch.setattr(sending_module, "Producer", FakeProducer)
    monkeypatch.setattr(FakeProducer, "made", [], raising=False)
    return FakeProducer.made


def outputs(first: int, count: int) -> list[Output]:
    return [Output("signals", b"1", b"%d" % n) for n in range(first, first + count)]


def test_of_two_waits_at_once_each_is_for_all_that_was_sent_before_it(
    producers: list[FakeProducer],
) -> None:
    sending = Outbox(KafkaConnection("unused:1"))
    *_, few = producers

    async def looked(waiting: asyncio.Future[None]) -> None:
        until = few.polls + 5
        while few.polls < until and not waiting.done():
            await asyncio.sleep(0)

    async def test() -> None:
        sending.send(outputs(0, 2))
        first = asyncio.ensure_future(sending.confirmed())
        await looked(first)
        sending.send(outputs(2, 2))
        second = asyncio.ensure_future(sending.confirmed())
        await looked(second)
        sending.send(outputs(4, 2))  # of no concern to either
        few.deliver(2)
        await first
        await looked(second)
        assert not second.done()
        few.deliver(1)
        await looked(second)
        assert not second.done()
        few.deliver(1)
        await second
        assert len(few) == 2

    asyncio.run(asyncio.wait_for(test(), 60))


def test_outputs_leave_by_another_client_when_all_before_them_have_arrived(
    producers: list[FakeProducer],
) -> None:
    sending = Outbox(KafkaConnection("unused:1"))
    many, _, few = producers
    sending.send(outputs(0, 1))
    sending.send(outputs(1, 100))
    assert (len(few), len(many)) == (101, 0)  # they might overtake it
    few.deliver(100)
    sending.send(outputs(101, 100))
    assert (len(few), len(many)) == (101, 0)
    few.deliver(101)
    sending.send(outputs(201, 100))
    assert (len(few), len(many)) == (0, 100)
