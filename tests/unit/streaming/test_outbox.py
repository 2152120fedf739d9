"""Sending where no broker takes anything."""

import asyncio
from itertools import count

import pytest

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.ports import LOOPBACK, free_ports
from algo_panda.streaming.operator import Output
from algo_panda.streaming.outbox import DeliveryError, Outbox


def outbox() -> Outbox:
    """No broker listens, and a minute passes whenever it looks at the clock."""
    (port,) = free_ports(1)
    minutes = count()
    return Outbox(KafkaConnection(f"{LOOPBACK}:{port}"), clock=lambda: 60.0 * next(minutes))


def test_more_than_the_client_holds_is_waited_for_and_given_up_in_the_end() -> None:
    sending = outbox()
    with pytest.raises(DeliveryError, match="the broker: not confirmed in 120 s"):
        sending.send([Output("signals", b"1", b"value")] * 100_001)


def test_what_is_unconfirmed_for_long_is_given_up() -> None:
    sending = outbox()
    sending.send([Output("signals", b"1", b"value")])
    with pytest.raises(DeliveryError, match="the broker: not confirmed in 120 s"):
        asyncio.run(sending.confirmed())
