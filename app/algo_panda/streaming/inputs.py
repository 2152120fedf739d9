"""Checks that the topics are still those that offsets and state belong to."""

import asyncio
import time
from collections.abc import Callable, Mapping

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.topic_diff import PartitionsChangedError
from algo_panda.streaming.changelog import Positions, TopicRecreatedError
from algo_panda.streaming.operator import StreamSpec

_TRUSTED_SECONDS = 1.0
_PATIENCE_SECONDS = 30.0
_RETRY_WAIT = 0.5


def check_topic_ids(
    known: Positions, topic_ids: Mapping[str, str], spec: StreamSpec, partition: int
) -> None:
    """Refuse to continue if an offset of ``known`` belongs to a topic that was deleted.

    Raises:
        TopicRecreatedError: the topic was deleted and created anew; the message says what to do.
    """
    for topic, topic_id in known.topic_ids.items():
        if topic in topic_ids and topic_ids[topic] != topic_id:
            stands = f"stands at offset {known.offsets[topic]} of partition {partition}"
            raise _recreated(spec, topic, f"{stands} of topic id {topic_id}", topic_ids[topic])


def _recreated(spec: StreamSpec, topic: str, stands: str, now: str) -> TopicRecreatedError:
    return TopicRecreatedError(
        f"topic {topic} was deleted and created anew: the state of {spec.group} {stands},"
        f" and the topic now has id {now}. To process the new topic from its beginning, stop all"
        f" workers of {spec.group}, delete the topic {spec.changelog}, run 'panda topics apply'"
        " and start the workers"
    )


def _new_changelog(spec: StreamSpec, before: str, now: str) -> TopicRecreatedError:
    return TopicRecreatedError(
        f"topic {spec.changelog} was deleted and created anew under this worker: it had id"
        f" {before}, and has id {now} now. A worker writes only what changed, so the new topic"
        " cannot get the whole state from it. To process the input topics from their beginning,"
        f" stop all workers of {spec.group}, delete the topic {spec.changelog} again, run 'panda"
        " topics apply' and start the workers"
    )


class InputTopics:
    """Checker of the ids of input topics and changelog.

    Asks before every checkpoint, at most once a second.
    """

    def __init__(
        self,
        spec: StreamSpec,
        read_topic_ids: Callable[[], Mapping[str, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._read_topic_ids = read_topic_ids
        self._clock = clock
        self._turn = asyncio.Lock()
        self.first = read_topic_ids()
        """The ids as they were when the worker started."""
        self._ids = self.first
        self._asked_at = float("-inf")

    async def verify(self, positions: Positions, partition: int, taken_at: float) -> None:
        """Check that ``positions``, taken at that time of the clock, belong to the present topics.

        Raises:
            TopicRecreatedError: a topic was deleted and created anew.
            KafkaError: a topic is no more, or the broker does not answer.
        """
        ids = await self._ids_at(taken_at)
        check_topic_ids(positions, ids, self._spec, partition)
        self._check_changelog(ids)

    async def verify_all(self) -> None:
        """Check that inputs and changelog are the same topics as when the worker started.

        Raises:
            TopicRecreatedError: a topic was deleted and created anew.
            PartitionsChangedError: a topic has another number of partitions.
            KafkaError: a topic is no more, or the broker does not answer.
        """
        ids = await self._ids_at(self._clock())
        for topic in self._spec.inputs:
            if ids[topic] != self.first[topic]:
                stands = f"is of topic id {self.first[topic]}"
                raise _recreated(self._spec, topic, stands, ids[topic])
        self._check_changelog(ids)

    def _check_changelog(self, ids: Mapping[str, str]) -> None:
        before, now = self.first[self._spec.changelog], ids[self._spec.changelog]
        if now != before:
            raise _new_changelog(self._spec, before, now)

    async def _ids_at(self, moment: float) -> Mapping[str, str]:
        async with self._turn:
            if self._asked_at + _TRUSTED_SECONDS < moment:
                asked_at = self._clock()
                self._ids = await self._ask()
                self._asked_at = asked_at
            return self._ids

    async def _ask(self) -> Mapping[str, str]:
        deadline = self._clock() + _PATIENCE_SECONDS
        while True:
            try:
                return await asyncio.to_thread(self._read_topic_ids)
            except KafkaError as error:
                is_final = isinstance(error, PartitionsChangedError)
                if is_final or self._clock() > deadline:
                    raise
            await asyncio.sleep(_RETRY_WAIT)
