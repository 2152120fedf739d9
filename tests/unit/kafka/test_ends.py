"""What is said when a broker that answered before does not any more."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka import ends
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import KafkaAuthenticationError
from algo_panda.kafka.ends import End, EndReader

CONNECTION = KafkaConnection("127.0.0.1:1")


class ScriptedAdmin:
    """Gives ``answer`` to every request; reports ``reported`` when it is polled."""

    def __init__(self) -> None:
        self.connection = CONNECTION
        self.errors: deque[ClientError] = deque()
        self.reported: list[ClientError] = []
        self.answer: Exception | int = 7

    def poll(self, _timeout: float) -> int:
        self.errors.extend(self.reported)
        self.reported = []
        return 0

    def list_offsets(self, requests: Mapping[Any, Any], **_: object) -> dict[Any, Future[Any]]:
        return {partition: self._future() for partition in requests}

    def _future(self) -> Future[Any]:
        future: Future[Any] = Future()
        if isinstance(self.answer, Exception):
            future.set_exception(self.answer)
        else:
            future.set_result(type("Ends", (), {"offset": self.answer}))
        return future


@pytest.fixture
def admin() -> ScriptedAdmin:
    return ScriptedAdmin()


@pytest.fixture
def reader(admin: ScriptedAdmin) -> EndReader:
    made = EndReader(CONNECTION)
    made._admin = admin  # type: ignore[assignment]
    return made


def failure(reader: EndReader) -> KafkaError:
    with pytest.raises(KafkaError) as raised:
        reader([("ticks", 0)])
    return raised.value


def test_a_request_that_is_not_answered_says_so(reader: EndReader, admin: ScriptedAdmin) -> None:
    assert reader([("ticks", 0)]) == {("ticks", 0): End(7, 7)}
    admin.answer = KafkaException(ClientError(ClientError._TIMED_OUT))
    assert str(failure(reader)).startswith("cannot read the end of ticks[0] at 127.0.0.1:1: ")


def test_a_login_that_is_refused_after_the_start_is_the_reason_until_it_is_taken_again(
    reader: EndReader, admin: ScriptedAdmin
) -> None:
    admin.answer = KafkaException(ClientError(ClientError._TIMED_OUT))
    admin.reported = [
        ClientError(ClientError._ALL_BROKERS_DOWN, "1/1 brokers are down"),
        ClientError(ClientError._AUTHENTICATION, "127.0.0.1:1/1: SASL authentication error: no"),
    ]
    refused = failure(reader)
    assert isinstance(refused, KafkaAuthenticationError)
    assert str(refused).startswith("Kafka at 127.0.0.1:1 refuses the login of this client")
    assert isinstance(failure(reader), KafkaAuthenticationError)
    admin.answer = 9
    assert reader([("ticks", 0)]) == {("ticks", 0): End(9, 9)}
    admin.answer = KafkaException(ClientError(ClientError._TIMED_OUT))
    assert not isinstance(failure(reader), KafkaAuthenticationError)


@pytest.mark.parametrize(
    ("code", "is_kept"),
    [
        (ClientError._TIMED_OUT, True),
        (ClientError.FENCED_LEADER_EPOCH, False),
        (ClientError.NOT_LEADER_FOR_PARTITION, False),
    ],
)
def test_a_client_that_the_broker_refuses_is_replaced(
    reader: EndReader,
    admin: ScriptedAdmin,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    is_kept: bool,
) -> None:
    """After a restart of the broker, a client may know the leaders of before for minutes."""
    fresh = ScriptedAdmin()
    fresh.answer = 12
    monkeypatch.setattr(ends, "connect", lambda *_, **__: fresh)
    admin.answer = KafkaException(ClientError(code))
    failure(reader)
    admin.answer = 9
    expected = 9 if is_kept else 12
    assert reader([("ticks", 0)]) == {("ticks", 0): End(expected, expected)}
