"""Inputs that lost records, as their readers see them: risk's signals and executions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, TopicPartition

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming import truncation
from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.marks import RecordMark
from algo_panda.streaming.operator import Delivery, StreamSpec
from algo_panda.streaming.truncation import TopicTruncatedError, check_not_truncated

SPEC = StreamSpec(
    group="panda-risk",
    inputs=("signals", "executions"),
    changelog="risk-state-changelog",
    partitions=4,
    delivery=Delivery.EXACTLY_ONCE,
    checkpoint_interval=0.05,
    create=lambda *_: None,  # type: ignore[arg-type,return-value]
)


class Record(NamedTuple):
    """A record or an error, as the client gives it."""

    name: str
    at: int
    content: bytes = b""
    moment: int = 1_767_604_500_000
    problem: Any = None

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return 2

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return b"1001"

    def value(self) -> bytes:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return 1, self.moment

    def error(self) -> Any:
        return self.problem


class Log(NamedTuple):
    """What a partition holds; offsets between records are markers of transactions."""

    records: Mapping[int, bytes]
    end: int
    start: int = 0
    moment: int = 1_767_604_500_000


class FakeConsumer:
    """Reads logs as librdkafka does with ``auto.offset.reset=error``."""

    logs: Mapping[str, Log]

    def __init__(self, _config: object) -> None:
        self.closed = False
        self._place: TopicPartition

    def list_topics(self, topic: str, _timeout: float) -> None:
        assert topic in self.logs

    def assign(self, places: list[TopicPartition]) -> None:
        (self._place,) = places

    def poll(self, _seconds: float) -> Record:
        place = self._place
        log, at = self.logs[place.topic], place.offset
        if not log.start <= at <= log.end:
            error = ClientError(ClientError._AUTO_OFFSET_RESET, "offset out of range")
            return Record(place.topic, at, problem=error)
        found = min((offset for offset in log.records if offset >= at), default=None)
        if found is None:
            error = ClientError(ClientError._PARTITION_EOF, "end")
            return Record(place.topic, log.end, problem=error)
        self._place = TopicPartition(place.topic, place.partition, found + 1)
        return Record(place.topic, found, log.records[found], log.moment)

    def get_watermark_offsets(self, place: TopicPartition, _timeout: float) -> tuple[int, int]:
        log = self.logs[place.topic]
        return log.start, log.end

    def close(self) -> None:
        self.closed = True


WHOLE = Log({n: b"record %d" % n for n in range(10)}, end=10)


def check(
    monkeypatch: pytest.MonkeyPatch, after: Log, *, before: Log = WHOLE, at: int = 10
) -> None:
    """Process ``before`` up to offset ``at``, on both topics; then ``executions`` is ``after``."""
    monkeypatch.setattr(truncation, "Consumer", FakeConsumer)
    monkeypatch.setattr(
        FakeConsumer, "logs", {"signals": before, "executions": after}, raising=False
    )
    last = max((n for n in before.records if n < at), default=None)
    mark = {} if last is None else {
        topic: RecordMark.of(Record(topic, last, before.records[last])) for topic in SPEC.inputs
    }  # fmt: skip
    positions = Positions(
        offsets=dict.fromkeys(SPEC.inputs, at),
        horizons=dict.fromkeys(SPEC.inputs, at),
        topic_ids=dict.fromkeys(SPEC.inputs, "an-id"),
        marks=mark,
    )
    check_not_truncated(KafkaConnection("unused:1"), SPEC, 2, positions, 5)


GROWN = Log({n: b"record %d" % n for n in range(14)}, end=14)
MARKERS = Log({n: b"record %d" % n for n in range(8)}, end=10)
"""Two markers at its end, as where records came in transactions."""


@pytest.mark.parametrize(
    ("after", "before", "at"),
    [
        (WHOLE, WHOLE, 10),
        (GROWN, WHOLE, 10),
        (GROWN, WHOLE, 4),
        (MARKERS, MARKERS, 10),
        (Log({**MARKERS.records, 10: b"new"}, end=11), MARKERS, 10),
        (Log({}, end=0), Log({}, end=0), 0),
        # Retention took the last record processed, or all there is.
        (Log({11: b"new"}, end=12, start=11), WHOLE, 10),
        (Log({}, end=10, start=10), WHOLE, 10),
        (Log({}, end=12, start=12), WHOLE, 10),
    ],
    ids=[
        "unchanged", "grown", "in the middle", "behind markers", "behind markers, grown",
        "never anything", "retention", "retention took all", "retention took more",
    ],
)  # fmt: skip
def test_what_is_as_it_was_is_opened(monkeypatch, after: Log, before: Log, at: int) -> None:
    check(monkeypatch, after, before=before, at=at)


@pytest.mark.parametrize(
    ("after", "before", "fault"),
    [
        (Log({n: b"record %d" % n for n in range(6)}, end=6), WHOLE, "ends at offset 6 now"),
        (Log({}, end=0), WHOLE, "ends at offset 0 now"),
        (
            Log({n: b"record %d" % n if n < 6 else b"new" for n in range(20)}, end=20),
            WHOLE,
            "the record at offset 9 is another one now",
        ),
        # The same content, published again.
        (
            WHOLE._replace(moment=1_767_604_501_000),
            WHOLE,
            "written at 2026-01-05T09:15:01Z and not at 2026-01-05T09:15:00Z",
        ),
        # A transaction was aborted there.
        (Log({5: b"record 5", 12: b"new"}, end=13), WHOLE, "no record at offset 9 any more"),
        (Log({5: b"record 5"}, end=13), WHOLE, "no record at offset 9 any more"),
        # Only markers were lost, and records are in their place.
        (
            Log({**MARKERS.records, 8: b"new"}, end=20),
            MARKERS,
            "at offset 8 is not one that was processed",
        ),
        (MARKERS._replace(end=9), MARKERS, "ends at offset 9 now"),
    ],
    ids=[
        "shorter", "emptied", "refilled", "published again", "an aborted transaction, and records",
        "an aborted transaction", "in place of markers", "shorter by a marker",
    ],
)  # fmt: skip
def test_lost_records_are_refused_with_both_ways_on(
    monkeypatch, after: Log, before: Log, fault: str
) -> None:
    with pytest.raises(TopicTruncatedError) as caught:
        check(monkeypatch, after, before=before)
    message = str(caught.value)
    assert message.startswith(
        "topic executions lost records that were processed: the state of panda-risk stands at"
        " offset 10 of partition 2, and "
    )
    assert fault in message
    assert "Restore the log of executions[2]; or begin anew" in message
    assert "delete the topics executions and risk-state-changelog" in message
    assert caught.value.exit_code == 4


def test_without_a_mark_the_end_alone_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a checkpoint of an earlier version."""
    monkeypatch.setattr(truncation, "Consumer", FakeConsumer)
    positions = Positions(
        offsets={"signals": 10}, horizons={"signals": 10}, topic_ids={"signals": "an-id"}
    )
    for log, is_shorter in (
        (WHOLE, False),
        (GROWN._replace(moment=1), False),
        (Log({}, end=20, start=15), False),
        (Log({5: b"record 5"}, end=6), True),
    ):
        monkeypatch.setattr(FakeConsumer, "logs", {"signals": log}, raising=False)
        try:
            check_not_truncated(KafkaConnection("unused:1"), SPEC, 2, positions, 5)
        except TopicTruncatedError:
            assert is_shorter
        else:
            assert not is_shorter


def test_a_broker_that_refuses_is_another_error(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = ClientError(ClientError.TOPIC_AUTHORIZATION_FAILED, "not allowed")
    monkeypatch.setattr(
        FakeConsumer, "poll", lambda self, _: Record(self._place.topic, 0, problem=denied)
    )
    with pytest.raises(KafkaError, match=r"signals, executions\[2\]: not allowed") as caught:
        check(monkeypatch, WHOLE)
    assert not isinstance(caught.value, TopicTruncatedError)
    assert isinstance(caught.value.__cause__, KafkaException)


def test_a_leader_that_does_not_know_yet_how_much_is_committed_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its log is whole, and until its followers have fetched it shows less of it."""
    polls: list[int] = []
    whole = FakeConsumer.poll

    def poll(self: FakeConsumer, seconds: float) -> Record:
        polls.append(self._place.offset)
        if len(polls) > 3:
            return whole(self, seconds)
        error = ClientError(ClientError._PARTITION_EOF, "end")
        return Record(self._place.topic, 9, problem=error)

    monkeypatch.setattr(FakeConsumer, "poll", poll)
    check(monkeypatch, WHOLE)
    # Nothing is compared before the position can be read.
    assert polls[:5] == [10, 10, 10, 10, 9]
