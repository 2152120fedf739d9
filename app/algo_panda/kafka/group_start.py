"""Fixes where a consumer group starts on a topic: once, as commits, before its first record."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin import partition_counts
from algo_panda.kafka.admin_calls import REQUEST_SECONDS, Partition, list_offsets
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import failure, is_denial
from algo_panda.kafka.groups import raise_first_error

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 30.0
"""How long a broker may fail to answer: an assignment often follows its restart."""
_OTHER_MEMBER_SECONDS = 10.0
"""How long the owner of the first partition may take to fix the start."""

_T = TypeVar("_T")


class GroupStart:
    """Commits a start for the partitions of one topic on which a group has committed nothing.

    Without a commit, ``auto.offset.reset`` would apply again at every restart: a group that
    starts at the end would miss what was written while its members were down.

    The owner of the first partition commits the start of every partition, in one request. So a
    partition without a commit, in a group that has others, was added after the group started.
    """

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        admin: AdminClient,
        consumer: Consumer,
        group: str,
        topic: str,
        from_beginning: bool,
    ) -> None:
        """Prepare; the broker is asked nothing yet.

        Args:
            connection: The cluster, for messages.
            admin: A client of that cluster.
            consumer: The member of the group.
            group: The group's id.
            topic: The topic, by its name on the broker.
            from_beginning: Whether a new group starts at the first record, or at the end.
        """
        self._connection = connection
        self._admin = admin
        self._consumer = consumer
        self._group = group
        self._topic = topic
        self._from_beginning = from_beginning

    def fix(self, assigned: Collection[int]) -> None:
        """Commit a start where there is none. Called in ``on_assign``; blocks.

        Args:
            assigned: Numbers of the partitions that this member was given.

        Raises:
            KafkaError: the broker does not answer, or refuses.
        """
        if not assigned:
            return
        committed = _patiently(lambda: self._committed(assigned))
        missing = set(assigned) - committed.keys()
        if missing:
            _patiently(lambda: self._fix(assigned, missing))
        _patiently(lambda: self._warn_of_gaps(committed))

    def _fix(self, assigned: Collection[int], missing: Collection[int]) -> None:
        count = partition_counts(self._admin, [self._topic])[self._topic]
        every = range(max(count, *(number + 1 for number in assigned)))
        committed = self._committed(every)
        if not committed and 0 not in assigned:
            committed = self._wait_for_owner_of_first(every)
        if not committed:
            self._commit(self._offsets(every, earliest=self._from_beginning))
        elif added := set(missing) - committed.keys():
            self._commit(self._offsets(added, earliest=True))

    def _wait_for_owner_of_first(self, every: Collection[int]) -> dict[int, int]:
        """Return what it has committed; nothing if it takes too long, or is no reader of ours."""
        deadline = time.monotonic() + _OTHER_MEMBER_SECONDS
        while not (committed := self._committed(every)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return committed

    def _committed(self, numbers: Collection[int]) -> dict[int, int]:
        wanted = [TopicPartition(self._topic, number) for number in numbers]
        try:
            answers = self._consumer.committed(wanted, timeout=REQUEST_SECONDS)
            raise_first_error(answers)
        except KafkaException as error:
            raise failure(f"read the commits of {self._group}", error, self._connection) from error
        return {answer.partition: answer.offset for answer in answers if answer.offset >= 0}

    def _commit(self, starts: Mapping[Partition, int]) -> None:
        offsets = [TopicPartition(*partition, start) for partition, start in starts.items()]
        try:
            raise_first_error(self._consumer.commit(offsets=offsets, asynchronous=False) or [])
        except KafkaException as error:
            doing = f"commit where the group {self._group} starts"
            raise failure(doing, error, self._connection) from error

    def _offsets(self, numbers: Collection[int], *, earliest: bool) -> dict[Partition, int]:
        # The records of an open transaction come later: a start behind them would miss them.
        return list_offsets(
            self._admin,
            [(self._topic, number) for number in numbers],
            "earliest" if earliest else "latest",
            committed=not earliest,
        )

    def _warn_of_gaps(self, committed: Mapping[int, int]) -> None:
        """Log where the commit names no record that there is: the client starts at the first."""
        partitions = [(self._topic, number) for number in committed]
        firsts = list_offsets(self._admin, partitions, "earliest")
        ends = list_offsets(self._admin, partitions, "latest")
        for partition, first in firsts.items():
            at, end = committed[partition[1]], ends[partition]
            if at > end:
                logger.warning(
                    "%s[%d]: group %s has committed offset %d, but the partition ends at %d: the"
                    " topic was recreated or has lost records; reading begins at its first record,"
                    " offset %d",
                    *(*partition, self._group, at, end, first),
                )
            elif at < first:
                logger.warning(
                    "%s[%d]: group %s has committed offset %d, but the first record kept is at %d:"
                    " retention removed records before the group read them; reading begins there",
                    *(*partition, self._group, at, first),
                )


def _patiently(ask: Callable[[], _T]) -> _T:
    """Ask, and ask again while the broker does not answer."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except KafkaError as error:
            if is_denial(error) or time.monotonic() > deadline:
                raise
            logger.warning("%s; trying again", error)
        time.sleep(0.5)
