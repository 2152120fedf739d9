"""Where a partition begins, and what its strategies are rebuilt from before it does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming import opening
from algo_panda.streaming.changelog import Positions, Restored
from algo_panda.streaming.opening import PartitionOpener
from algo_panda.streaming.operator import (
    Beginning,
    Delivery,
    Replay,
    Start,
    StateRecord,
    StreamSpec,
    no_probe,
)
from algo_panda.streaming.telemetry import SilentStreamTelemetry

FIRST, END = {"orders": 3, "ticks": 20}, {"orders": 5, "ticks": 90}
IDS = {"orders": "an-id", "ticks": "another-id"}


class FakeOperator:
    """Wants the ticks from 20 to 90 once more, and writes down what becomes of it."""

    def __init__(self, *, wants_ticks: bool = True) -> None:
        self.steps: list[str] = []
        self.start: Start | None = None
        self._wants_ticks = wants_ticks

    def restore(self, _state: Mapping[bytes, bytes], start: Start, /) -> Beginning:
        self.start = start
        if not self._wants_ticks:
            return Beginning()
        return Beginning(
            replay=Replay(
                topic="ticks",
                first=20,
                end=90,
                take=lambda messages: self.steps.append(f"took {messages}"),
                finish=lambda: self.steps.append("finished"),
            )
        )

    def changed(self) -> Sequence[StateRecord]:
        return ()

    def close(self) -> None:
        self.steps.append("closed")


class FakeChangelog:
    """Holds no state."""

    positions: Positions | None = None

    def __init__(self, **_: object) -> None:
        pass

    def open(self, _timeout: float) -> Restored:
        return Restored(state={}, positions=self.positions, records_read=0)

    def commit(self, *_: object) -> None:
        pass


class FakeConsumer:
    """Knows where topics begin and end."""

    def __init__(self, _config: object) -> None:
        pass

    def get_watermark_offsets(self, place: TopicPartition, _timeout: float) -> tuple[int, int]:
        return FIRST[place.topic], END[place.topic]

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PartitionChangelog", FakeChangelog)
    monkeypatch.setattr(FakeChangelog, "positions", None)
    monkeypatch.setattr(opening, "Consumer", FakeConsumer)
    monkeypatch.setattr(opening, "check_not_truncated", lambda *_: None)


def opener(operator: FakeOperator) -> PartitionOpener:
    return PartitionOpener(
        spec=StreamSpec(
            group="panda-paper",
            inputs=("orders", "ticks"),
            changelog="paper-state-changelog",
            partitions=4,
            delivery=Delivery.EXACTLY_ONCE,
            checkpoint_interval=0.05,
            create=lambda *_: operator,  # type: ignore[arg-type,return-value]
            from_the_end=("ticks",),
        ),
        connection=KafkaConnection("unused:1"),
        topic_ids=IDS,
        telemetry=SilentStreamTelemetry(),
        probe=no_probe,
    )


def test_a_program_begins_with_all_that_is_kept_but_of_some_topics_with_what_comes() -> None:
    operator = FakeOperator(wants_ticks=False)
    owned = opener(operator).open(2)
    assert owned is not None
    assert owned.next_offsets == {"orders": 3, "ticks": 90}
    assert operator.start == Start(offsets={"orders": 3, "ticks": 90}, is_settled=True)


def test_a_topic_that_is_new_to_a_program_begins_where_its_first_start_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = Positions(offsets={"orders": 4}, horizons={"orders": 4}, topic_ids={"orders": "an-id"})
    monkeypatch.setattr(FakeChangelog, "positions", known)
    owned = opener(FakeOperator(wants_ticks=False)).open(2)
    assert owned is not None
    assert owned.next_offsets == {"orders": 4, "ticks": 90}


def test_what_an_operator_wants_to_see_again_it_is_given_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def reread(_: object, place: TopicPartition, end: int, _timeout: float) -> Iterator[Any]:
        asked.append((place.topic, place.partition, place.offset, end))
        yield from ("some", "more")

    monkeypatch.setattr(opening, "reread", reread)
    operator = FakeOperator()
    assert opener(operator).open(2) is not None
    assert asked == [("ticks", 2, 20, 90)]
    assert operator.steps == ["took some", "took more", "finished"]


def test_a_worker_that_stops_meanwhile_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = FakeOperator()
    made = opener(operator)

    def reread(*_: object) -> Iterator[Any]:
        yield "some"
        made.stop()
        yield "more"

    monkeypatch.setattr(opening, "reread", reread)
    assert made.open(2) is None
    assert operator.steps == ["took some", "closed"]
