from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, TopicPartition

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin_calls import list_offsets


class ScriptedAdmin:
    """Answers one request for offsets after the other."""

    def __init__(self, *answers: int | ClientError) -> None:
        self._answers = list(answers)

    def list_offsets(self, wanted: Any, **_: object) -> dict[TopicPartition, Future[Any]]:
        future: Future[Any] = Future()
        answer = self._answers.pop(0)
        if isinstance(answer, ClientError):
            future.set_exception(KafkaException(answer))
        else:
            future.set_result(SimpleNamespace(offset=answer))
        (partition,) = wanted
        return {partition: future}


@pytest.mark.parametrize(
    "code",
    [
        ClientError.NOT_LEADER_FOR_PARTITION,
        ClientError.LEADER_NOT_AVAILABLE,
        ClientError.UNKNOWN_LEADER_EPOCH,
        ClientError.FENCED_LEADER_EPOCH,
    ],
)
def test_a_partition_whose_leader_is_about_to_be_one_is_asked_again(code: int) -> None:
    admin: Any = ScriptedAdmin(ClientError(code), ClientError(code), 7)
    assert list_offsets(admin, [("ticks", 0)], "latest") == {("ticks", 0): 7}


def test_any_other_error_is_told_at_once() -> None:
    admin: Any = ScriptedAdmin(ClientError(ClientError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(KafkaError, match=r"cannot read offsets of .*ticks"):
        list_offsets(admin, [("ticks", 0)], "latest")
