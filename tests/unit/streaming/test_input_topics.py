"""Whether topics still are the ones that the state is about: asked now and then, by a clock."""

import asyncio
from collections.abc import Mapping

import pytest

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.topic_diff import PartitionsChangedError
from algo_panda.streaming.changelog import Positions, TopicRecreatedError
from algo_panda.streaming.inputs import InputTopics
from algo_panda.streaming.operator import Delivery, StreamSpec

IDS = {"ticks": "an-id", "runner-state-changelog": "another-id"}
SPEC = StreamSpec(
    group="panda-runner",
    inputs=("ticks",),
    changelog="runner-state-changelog",
    partitions=4,
    delivery=Delivery.AT_LEAST_ONCE,
    checkpoint_interval=5.0,
    create=lambda *_: None,  # type: ignore[arg-type,return-value]
)


class Broker:
    """Gives the next of its answers, and the last one for ever; a second passes each time."""

    def __init__(self, *answers: Exception | Mapping[str, str]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.now = 0.0

    def __call__(self) -> Mapping[str, str]:
        self.asked += 1
        self.now += 1.0
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def verify(broker: Broker) -> None:
    inputs = InputTopics(SPEC, broker, lambda: broker.now)
    broker.now += 10.0
    asyncio.run(inputs.verify_all())


def test_other_partitions_are_an_error_at_once() -> None:
    changed = PartitionsChangedError("ticks has 5 partitions, declared 4")
    broker = Broker(IDS, changed)
    with pytest.raises(PartitionsChangedError, match="5 partitions"):
        verify(broker)
    assert broker.asked == 2


def test_a_broker_that_is_away_for_a_moment_is_asked_again() -> None:
    broker = Broker(IDS, KafkaError("no answer"), IDS)
    verify(broker)
    assert broker.asked == 3


@pytest.mark.parametrize("topic", list(IDS))
@pytest.mark.parametrize("when", ["before a checkpoint", "beside checkpoints"])
def test_a_topic_created_anew_under_the_worker_is_an_error(topic: str, when: str) -> None:
    broker = Broker(IDS, {**IDS, topic: "a-new-id"})
    inputs = InputTopics(SPEC, broker, lambda: broker.now)
    broker.now += 10.0
    positions = Positions(
        offsets={"ticks": 7}, horizons={"ticks": 7}, topic_ids={"ticks": IDS["ticks"]}
    )
    check = (
        inputs.verify_all()
        if when == "beside checkpoints"
        else inputs.verify(positions, 2, broker.now)
    )
    with pytest.raises(TopicRecreatedError) as caught:
        asyncio.run(check)
    message = str(caught.value)
    assert message.startswith(f"topic {topic} was deleted and created anew")
    assert IDS[topic] in message
    assert "id a-new-id" in message
    assert "delete the topic runner-state-changelog" in message
